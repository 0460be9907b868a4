// The parts of a test run, shared by npm test and npm run check.
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { buildApp, bundleDemo, bundleServer, nodeTool, ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'
import { countPlaywright, countVitest } from './reports.mjs'

/** Machine-readable results of the last run; scripts/coverage.mjs reads them. */
export const RESULTS_DIR = join(ROOT, '.data/test-results')

/** @typedef {import('./reports.mjs').Counts} Counts */
/** @typedef {ReturnType<typeof single> | ReturnType<typeof suite>} Stage */

const tool = (command, env = {}) =>
  runTool(command, { cwd: ROOT, env: { ...toolEnv(), NO_COLOR: '1', FORCE_COLOR: undefined, ...env } })

/** A check without tests of its own counts as one. */
const single = (name, work) => ({
  name,
  work,
  count: async (problem) => ({ passed: problem ? 0 : 1, failed: problem ? 1 : 0, skipped: 0 }),
})

/** A part that this machine cannot run says why, and counts as one. */
const skipped = (name, why) => ({
  name,
  work: async () => console.log(`  ${why}`),
  count: async () => ({ passed: 0, failed: 0, skipped: 1 }),
})

/** The output of both runners is their summary for people; the numbers come from their json file. */
function suite(name, run, count) {
  const file = join(RESULTS_DIR, `${name}.json`)
  const work = async () => {
    await mkdir(RESULTS_DIR, { recursive: true })
    await rm(file, { force: true })
    await run(file)
  }
  return { name, work, count: async () => count(JSON.parse(await readFile(file, 'utf8'))) }
}

const vitest = (project) =>
  suite(
    project,
    (file) =>
      tool(
        nodeTool(
          'vitest',
          'run',
          '--project',
          project,
          '--reporter=default',
          '--reporter=json',
          `--outputFile.json=${file}`,
        ),
        {
          NODE_ENV: 'test',
        },
      ),
    countVitest,
  )

export const checks = [
  [
    single('types', () => tool(nodeTool('tsc', '--noEmit', '-p', '.'))),
    single('lint', () => tool(nodeTool('biome', 'lint', '--error-on-warnings', '.'))),
    single('format', () => tool(nodeTool('biome', 'format', '.'))),
    single('migrations', () => tool([process.execPath, 'scripts/migrate.mjs', 'diff'])),
  ],
  vitest('unit'),
  vitest('integration'),
  // After the suite, so that what fails here passes with its guard.
  single('mutations', () => tool([process.execPath, 'scripts/mutations.mjs', '--sample', '4', '--jobs', '2'])),
]

/** The command and other people's programs, as processes. */
export const programs = vitest('programs')

/** Thousands of cases, or processes that are killed again and again. */
export const long = vitest('long')

export const build = single('build', async () => {
  await bundleDemo()
  await bundleServer()
  await buildApp()
})

/** @param {string | undefined} problem why there is no Keycloak to test at; the part is skipped then */
export const keycloak = (problem) =>
  problem ? skipped('keycloak', `Sign-in and links are not tested at a real Keycloak: ${problem}`) : vitest('keycloak')

/**
 * The API of the running product against its description.
 * @param {string | undefined} schemathesis path of the program; without it the part is skipped
 */
export const contract = (schemathesis) =>
  schemathesis
    ? suite(
        'contract',
        (file) => tool(nodeTool('tsx', 'tests/contract/run.ts', schemathesis, file), { NODE_ENV: undefined }),
        (counts) => counts,
      )
    : skipped('contract', 'Python with venv or PyPI is not available: Schemathesis does not test the API')

/** @param {string} browser path of the browser to drive */
export const endToEnd = (browser) =>
  suite(
    'e2e',
    (file) =>
      tool(nodeTool('playwright', 'test', '--reporter=line,json'), {
        CHROMIUM_PATH: browser,
        PLAYWRIGHT_JSON_OUTPUT_FILE: file,
      }),
    countPlaywright,
  )

/**
 * Runs one part and shows its whole output when it fails.
 * @returns {Promise<Counts>} a part that failed counts at least one failure, even when no test of its own did
 */
export async function runStage({ name, work, count }) {
  const problem = await step(name, work).then(
    () => undefined,
    (error) => error,
  )
  if (problem) console.log(problem.output ?? problem.message)
  const counts = await count(problem).catch(() => ({ passed: 0, failed: 1, skipped: 0 }))
  return problem && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

/**
 * Runs parts one after the other and adds up; a failing one does not keep the next from running. Those in a list run at
 * once, since each leaves a core idle at times, and those in a list inside that one after the other again.
 * @typedef {Stage | Plan[]} Plan
 * @param {Plan} plan
 * @returns {Promise<Counts>}
 */
export async function runStages(plan, inOrder = true) {
  if (!Array.isArray(plan)) return runStage(plan)
  const counts = []
  if (inOrder) for (const part of plan) counts.push(await runStages(part, false))
  else counts.push(...(await Promise.all(plan.map((part) => runStages(part)))))
  return together(...counts)
}

/** @param {Counts[]} counts */
export function together(...counts) {
  const sum = (kind) => counts.reduce((total, one) => total + one[kind], 0)
  return { passed: sum('passed'), failed: sum('failed'), skipped: sum('skipped') }
}

/** Prints the last line of a run and sets the exit code. */
export function conclude({ passed, failed, skipped }) {
  console.log(`${passed} passed, ${failed} failed, ${skipped} skipped`)
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1
}
