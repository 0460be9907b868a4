// npm run mutations [-- <name or id>…] [--area <area>] [--jobs <n>] [--sample <n>] [--write] [--check]: takes each recorded
// guard out of a copy of the tree and demands that its test fails. docs/testing.md says how one is recorded.
// --sample <n>: a few whose tests are quick, others each day. --write: brings tests/mutations.md up to date.
// --check: only whether all of them still apply. --follow: first writes the new path into those whose lines are elsewhere.
import { createHash } from 'node:crypto'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { parseArgs } from 'node:util'
import { startThrowAway } from './lib/database.mjs'
import { Failure, report } from './lib/fail.mjs'
import { applyMutation, readMutations } from './lib/mutations.mjs'
import { generateClient, nodeTool, ROOT, toolEnv } from './lib/prepare.mjs'
import { runTool, stopOnSignals, stopTools } from './lib/processes.mjs'
import { applyMigrations } from './migrate.mjs'

const TABLE = join(ROOT, 'tests/mutations.md')
const timeLimitMs = 180_000

/**
 * Whether a failure says that the mutated code did not run, and nothing about the guard. A TypeError does where the change
 * was made; elsewhere it is met by a test that finds no field, or by code that the guard kept from being reached.
 */
function isBroken(failure, paths) {
  if (/^(SyntaxError|ReferenceError|Error: (Transform failed|Failed to load|Cannot find))/.test(failure)) return true
  const place = failure.split('\n').find((line) => /^ +at .*\/.*:\d+:\d+/.test(line) && !line.includes('node:'))
  return failure.startsWith('TypeError') && paths.some((path) => place?.includes(`/${path}:`))
}

/** A copy of the tree that may be changed; packages and nothing else are shared with the original. */
async function makeCopy() {
  const copy = await mkdtemp(join(tmpdir(), 'valetkey-mutations-'))
  const left = new Set(['node_modules', '.git', '.next', '.data', 'dist', 'test-results'])
  await cp(ROOT, copy, { recursive: true, filter: (path) => !left.has(relative(ROOT, path)) })
  await symlink(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
  return copy
}

const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
const projectOf = (file) => file.split('/')[1]

/** One migrated database for all whose SQL is as it was; the others' tests make their own. */
let sharing
const share = () => {
  sharing ??= startThrowAway().then(async (database) => {
    await applyMigrations(database.ownerUrl)
    return database
  })
  return sharing
}
const stop = async () => {
  await stopTools()
  await (await sharing)?.stop()
}

/** Runs the tests of a file whose titles hold one of these; `problem`: why there is no report. */
async function runTests(copy, file, titles, { changesSql = false } = {}) {
  const output = join(copy, 'mutation-report.json')
  await rm(output, { force: true })
  const pattern = titles.map(escaped).join('|')
  const args = ['run', '--project', projectOf(file), file, '-t', pattern, '--reporter=json', `--outputFile=${output}`]
  const env = { ...toolEnv(), NODE_ENV: 'test', NO_COLOR: '1', FORCE_COLOR: undefined }
  if (['integration', 'programs', 'long'].includes(projectOf(file)) && !changesSql) {
    const { ownerUrl, appUrl } = await share()
    env.VALETKEY_TEST_DATABASE = JSON.stringify({ ownerUrl, appUrl })
  }
  const problem = await runTool(nodeTool('vitest', ...args), { cwd: copy, env, timeLimitMs }).then(
    () => undefined,
    (error) => error,
  )
  const text = await readFile(output, 'utf8').catch(() => undefined)
  if (text === undefined) return { tests: [], problem: problem?.code ?? 'no report' }
  const files = JSON.parse(text).testResults
  const tests = files
    .flatMap((one) => one.assertionResults)
    .filter(({ status }) => status === 'passed' || status === 'failed')
  return { tests, problem: files.find(({ message }) => message)?.message }
}

const named = (tests, title) => tests.filter(({ fullName, title: own }) => `${fullName} ${own}`.includes(title))
const firstLine = (text) => String(text).split('\n', 1)[0].slice(0, 160)

/**
 * Before anything is taken out: the outcome of those whose tests are not there, or fail by themselves. A test that builds
 * on those before it is run with all of its file, `whole`.
 */
async function judgeUnchanged(copy, file, mutations) {
  const outcomesOf = ({ tests, problem }) =>
    new Map(
      mutations.flatMap((mutation) => {
        const own = named(tests, mutation.title)
        if (own.length === 0) return [[mutation, `no such test${problem ? `: ${firstLine(problem)}` : ''}`]]
        return own.every(({ status }) => status === 'passed') ? [] : [[mutation, 'red before anything was taken out']]
      }),
    )
  const titles = mutations.map(({ title }) => title)
  const alone = outcomesOf(await runTests(copy, file, titles))
  if (alone.size === 0) return alone
  const together = outcomesOf(await runTests(copy, file, ['']))
  for (const mutation of alone.keys()) mutation.whole = !together.has(mutation)
  return together
}

/** Takes one guard out, runs its tests and puts it back. */
async function judge(copy, mutation) {
  const { changed, problem } = await applyMutation(mutation, copy)
  if (problem) return `does not apply: ${problem}`
  const put = (texts) => Promise.all([...texts].map(([path, text]) => writeFile(join(copy, path), text)))
  const kept = await Promise.all([...changed.keys()].map(async (path) => [path, await readFile(join(copy, path))]))
  try {
    await put(changed)
    const changesSql = [...changed.keys()].some((path) => path.startsWith('prisma/'))
    const { tests, problem } = await runTests(copy, mutation.file, [mutation.whole ? '' : mutation.title], {
      changesSql,
    })
    const own = named(tests, mutation.title)
    if (own.length === 0) return `broken: ${firstLine(problem ?? 'no test ran')}`
    const failures = own.filter(({ status }) => status === 'failed').flatMap(({ failureMessages }) => failureMessages)
    if (failures.length === 0) return 'survived'
    return failures.every((one) => isBroken(one, [...changed.keys()])) ? `broken: ${firstLine(failures[0])}` : 'red'
  } finally {
    await put(kept)
  }
}

/** Another few each day, of those whose tests need no database. */
function sampleOf(mutations, count, day = new Date().toISOString().slice(0, 10)) {
  const rank = ({ name }) => createHash('sha256').update(`${day} ${name}`).digest('hex')
  const quick = mutations.filter(({ file }) => projectOf(file) === 'unit')
  return quick.sort((a, b) => rank(a).localeCompare(rank(b))).slice(0, count)
}

/** Runs them all; each worker has a copy of its own. */
async function runAll(mutations, { jobs, unchanged }) {
  const outcomes = new Map()
  const queue = [...groupByFile(mutations)]
  const work = async () => {
    const copy = await makeCopy()
    try {
      for (let next = queue.shift(); next; next = queue.shift()) {
        const [file, own] = next
        const known = unchanged ? await judgeUnchanged(copy, file, own) : new Map()
        for (const mutation of own) {
          const outcome = known.get(mutation) ?? (await judge(copy, mutation))
          outcomes.set(mutation.name, outcome)
          console.log(`${outcome === 'red' ? '✓' : '✗'} ${mutation.name}${outcome === 'red' ? '' : `: ${outcome}`}`)
        }
      }
    } finally {
      await rm(copy, { recursive: true, force: true })
    }
  }
  await Promise.all(Array.from({ length: jobs }, work))
  return outcomes
}

function groupByFile(mutations) {
  const files = new Map()
  for (const one of mutations) files.set(one.file, [...(files.get(one.file) ?? []), one])
  return files
}

/** Writes the table anew. What did not run now keeps the outcome it had. */
async function writeTable(all, outcomes) {
  const old = await readFile(TABLE, 'utf8').catch(() => '')
  const before = new Map(
    [...old.matchAll(/^\| .*\]\(mutations\/(\S+)\) \|.*\| (.+) \|$/gm)].map((row) => [row[1], row[2]]),
  )
  const cell = (text) => text.replaceAll('|', '\\|')
  const row = ({ name, ids, guard, file, title }) => {
    const test = `${file.replace('tests/', '')} > ${title}`
    const outcome = outcomes.get(name) ?? before.get(name) ?? 'not run'
    return `| ${ids.join(' ') || '–'} | [${cell(guard)}](mutations/${name}) | ${cell(test)} | ${cell(outcome)} |`
  }
  const areas = [...new Set(all.map(({ area }) => area))].map((area) => {
    const rows = all.filter((one) => one.area === area).map(row)
    return `## ${area}\n\n| id | guard | test | outcome without it |\n|---|---|---|---|\n${rows.join('\n')}\n`
  })
  const rest = await readFile(join(ROOT, 'tests/mutations/not-automated.md'), 'utf8').catch(() => '')
  const head = `# Guards, and the test that fails without each\n\nWritten by \`npm run mutations -- --write\`. ${all.length} guards are taken out by the runner.\n`
  await writeFile(TABLE, [head, ...areas, rest].join('\n'))
}

/** Writes the new path into mutations whose lines are in another file now. Whether there were any. */
async function followAll(mutations) {
  const found = await Promise.all(mutations.map(async (one) => ({ ...one, ...(await applyMutation(one, ROOT)) })))
  const elsewhere = found.filter(({ moved }) => moved)
  for (const { name, moved } of elsewhere) {
    const file = join(ROOT, 'tests/mutations', name)
    await writeFile(file, (await readFile(file, 'utf8')).replace(`--- ${moved[0]}\n`, `--- ${moved[1]}\n`))
  }
  return elsewhere.length > 0
}

async function main() {
  const options = { area: { type: 'string' }, jobs: { type: 'string' }, sample: { type: 'string' } }
  const flags = { write: { type: 'boolean' }, check: { type: 'boolean' }, follow: { type: 'boolean' } }
  const { values, positionals } = parseArgs({ options: { ...options, ...flags }, allowPositionals: true })
  let all = await readMutations(ROOT)
  while (values.follow && (await followAll(all))) all = await readMutations(ROOT)
  if (values.check) {
    const problems = (await Promise.all(all.map((one) => applyMutation(one, ROOT)))).flatMap(
      ({ problem }) => problem ?? [],
    )
    if (problems.length > 0) throw new Failure(problems.join('\n'))
    return console.log(`${all.length} mutations apply.`)
  }
  const isAsked = ({ name, ids, area }) =>
    (!values.area || area === values.area) &&
    (positionals.length === 0 || positionals.some((one) => name.includes(one) || ids.includes(one)))
  const asked = all.filter(isAsked)
  const chosen = values.sample ? sampleOf(asked, Number(values.sample)) : asked
  if (chosen.length === 0) throw new Failure('No mutation has that name, id or area.')
  await generateClient()
  // A sample follows the whole suite, so its tests are known to pass.
  const outcomes = await runAll(chosen, { jobs: Number(values.jobs ?? 1), unchanged: !values.sample })
  if (values.write) await writeTable(all, outcomes)
  const bad = [...outcomes].filter(([, outcome]) => outcome !== 'red')
  console.log(`${outcomes.size - bad.length} of ${outcomes.size} guards: their test fails without them.`)
  if (bad.length > 0) throw new Failure(bad.map(([name, outcome]) => `${name}: ${outcome}`).join('\n'))
}

stopOnSignals(stop)
main()
  .catch((error) => {
    report(error)
    process.exitCode = 1
  })
  .finally(stop)
