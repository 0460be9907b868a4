import { resolve } from 'node:path'
import { aliasFrom } from '../../../lib/client/kbagent.ts'
import { noBrowser, openBrowser } from '../browser.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import type { Style } from '../output.ts'
import { carryOver } from './carry.ts'
import { type DiffLine, unifiedDiff } from './diff.ts'
import { gh } from './gh.ts'
import { setGit, unsetGit } from './git-config.ts'
import { kbagent } from './kbagent.ts'
import type { Found, Kind, Project } from './kind.ts'
import { netrc } from './netrc.ts'
import { osa } from './osa.ts'
import { findOurs, type Ours } from './projects.ts'
import { alone, keepForUndo, vaultForUndo } from './undo.ts'
import { ask } from './verify.ts'
import { type Original, readOriginal, replaceOriginal } from './write.ts'

const kinds = [kbagent, osa, gh, netrc]

type Given = {
  files: string[]
  write: boolean
  verify: boolean
  withoutUndo: boolean
  aliases: boolean
  project: string | undefined
}

/** What becomes of a credential. `use`: what to use from then on. */
type Fate = {
  found: Found
  use: { line: string; git?: [string, string][] } | undefined
  project: string | null
  why: string | null
  verified: string | null
  /** The project that stands in, and what of its person's settings was carried over to it. */
  ours?: Project | undefined
  carried?: string[]
}
type Plan = { kind: Kind; original: Original; fates: Fate[]; next: string }

/** Answers 0; 10 where a credential that was to be taken out needs a person first. @throws Failure */
export async function adoptFiles(cli: Cli, given: Given): Promise<number> {
  const readings = await read(cli, given.files)
  const ours = readings.length > 0 ? await findOurs(cli) : undefined
  if (given.write && ours?.problem) throw ours.problem
  const plans: Plan[] = []
  for (const { kind, original, found } of readings) {
    const fates: Fate[] = []
    for (const one of found) {
      if (given.verify) cli.out.progress(`Asking ${one.host} …`)
      fates.push({
        ...fateOf(one, ours, given.project),
        found: one,
        verified: given.verify ? await ask(cli, one) : null,
      })
    }
    const adopted = fates.filter(({ use }) => use).map((fate) => fate.found)
    plans.push({
      kind,
      original,
      fates,
      next: adopted.length > 0 ? kind.without(original.text, adopted) : original.text,
    })
  }
  const changing = plans.filter(({ original, next }) => next !== original.text)
  if (!given.write) {
    show(cli, plans, ours, { written: false, undo: null })
    return 0
  }
  const vault = changing.length > 0 ? await vaultForUndo(cli) : undefined
  if (changing.length > 0 && !vault) await agree(cli, changing, given.withoutUndo)
  const done: string[] = []
  await alone(cli, async () => {
    for (const { original, fates, next } of changing) {
      const wanted = fates.flatMap(({ use }) => use?.git ?? [])
      const made: [string, string][] = []
      try {
        for (const [name, value] of wanted) if (await setGit(cli, name, value)) made.push([name, value])
        if (vault) await keepForUndo(vault, original, next, made)
        await replaceOriginal(original, next)
        done.push(original.file)
      } catch (error) {
        if (done.length > 0) cli.out.note(`Done before that: ${done.join(', ')}`)
        for (const [name, value] of made) await unsetGit(cli, name, value)
        throw error
      }
    }
  })
  await carryOver(
    cli,
    plans.flatMap(({ fates }) => fates.filter(({ use }) => use)),
    given.aliases,
  )
  show(cli, plans, ours, { written: true, undo: vault?.title ?? null })
  return (await linkTheRest(cli, plans, ours)) ? 10 : 0
}

/** @throws Failure for a file that was named and is not there, or of no program that is known */
async function read(cli: Cli, files: string[]): Promise<{ kind: Kind; original: Original; found: Found[] }[]> {
  const places =
    files.length > 0
      ? files.map((file) => ({ file: resolve(cli.cwd, file), kind: kinds.find((kind) => kind.isNamed(file)) }))
      : kinds.flatMap((kind) => kind.places(cli).map((file) => ({ file, kind })))
  const readings: { kind: Kind; original: Original; found: Found[] }[] = []
  for (const { file, kind } of places) {
    if (!kind)
      throw new Failure('usage', `Of which program is ${file}?`, {
        next: `Files are known by their names: ${['config.json', 'credentials.json', 'hosts.yml', '.netrc'].join(', ')}`,
      })
    const original = await readOriginal(file)
    if (!original && files.length > 0) throw new Failure('not_found', `There is no file ${file}.`)
    if (!original || readings.some((one) => one.original.target === original.target)) continue
    try {
      const found = kind.read(original.text)
      if (found.length > 0) readings.push({ kind, original, found })
    } catch (error) {
      if (!(error instanceof Failure) || files.length > 0) throw named(error, file)
      cli.out.note({ text: `${file}: ${error.message}`, style: 'yellow' })
    }
  }
  return readings
}

const named = (error: unknown, file: string) =>
  error instanceof Failure
    ? new Failure(error.exit, `${file}: ${error.message}`, { code: error.code, next: error.next, cause: error })
    : error

function fateOf(
  { host, replacement }: Found,
  ours: Ours | undefined,
  wanted: string | undefined,
): Omit<Fate, 'found' | 'verified'> {
  const none = (why: string) => ({ use: undefined, project: null, why })
  if (!replacement) return none('nothing of Valetkey stands in for it')
  if (!ours || ours.problem) return none('nobody is signed in to ask for projects')
  const matching = ours.projects.filter((project) => isLinked(project) && replacement.match(project))
  const chosen = wanted === undefined ? matching : matching.filter(({ alias }) => alias === wanted)
  const [project, ...others] = chosen
  if (!project && matching.length > 0)
    return none(`project ${wanted} is not one of ${matching.map(({ alias }) => alias).join(', ')}`)
  if (!project)
    return none(
      ours.hosts.has(host)
        ? 'no project is linked for it: valetkey connect'
        : `Valetkey has no provider for ${host}: an admin may add one`,
    )
  if (others.length > 0)
    return none(`several projects could: say which with --project ${chosen.map(({ alias }) => alias).join(', or ')}`)
  const use = replacement.use(project)
  return 'problem' in use
    ? { use: undefined, project: project.alias, why: use.problem }
    : { use, project: project.alias, why: null, ours: project }
}

const isLinked = ({ connection }: Project) => connection?.status === 'linked'

/** Nobody is surprised: that there is no way back is said, and agreed to, before anything is written. @throws Failure */
async function agree(cli: Cli, changing: Plan[], agreed: boolean): Promise<void> {
  const files = changing.map(({ original }) => original.file).join(', ')
  cli.out.note({
    text: `There is no keychain here that could keep the old content, so there is no undo for ${files}.`,
    style: 'yellow',
  })
  if (agreed) return
  if (cli.out.isInteractive) {
    const { confirm, isCancel } = await import('@clack/prompts')
    const answer = await confirm({
      message: 'Take the tokens out of the files?',
      initialValue: false,
      output: process.stderr,
    })
    if (!isCancel(answer) && answer) return
    throw new Failure('denied', 'Nothing was written.')
  }
  throw new Failure('denied', 'Nothing was written, because there would be no undo.', {
    code: 'no_undo',
    next: 'If that is fine, say so: --without-undo',
  })
}

/** Opens the console where something can be linked that was not; whether somebody has to. */
async function linkTheRest(cli: Cli, plans: Plan[], ours: Ours | undefined): Promise<boolean> {
  const hosts = plans
    .flatMap(({ fates }) => fates.filter(({ use, project }) => !use && project === null))
    .map(({ found }) => found.host)
  const missing = [...new Set(hosts)].filter((host) => ours?.hosts.has(host))
  if (missing.length === 0 || !ours) return false
  // Where the file itself says what to link, the console reads it.
  const isRead = plans.every(({ kind }) => kind.name === 'kbagent')
  const url = `${ours.server}/t/${ours.tenant}/${isRead ? 'import' : 'projects'}`
  const isOpen = noBrowser(cli) === undefined && (await openBrowser(cli, url))
  cli.out.note(
    `${isOpen ? 'The browser shows' : 'Open'} ${url}: link a project at ${missing.join(', ')}, then run this again.`,
  )
  return true
}

const signs: Record<DiffLine['sign'], Style> = { '-': 'red', '+': 'green', '@': 'cyan', ' ': 'dim' }

function show(
  cli: Cli,
  plans: Plan[],
  ours: Ours | undefined,
  { written, undo }: { written: boolean; undo: string | null },
): void {
  const { out } = cli
  const files = plans.map(({ kind, original, fates, next }) => ({
    file: original.file,
    program: kind.name,
    changed: written && next !== original.text,
    tokens: fates.map(
      ({ found: { at, host, what, upstream, carries }, use, project, why, verified, carried = [] }) => ({
        at,
        host,
        what,
        verified,
        project,
        use: use?.line ?? null,
        git: use?.git?.map(([name, value]) => `git config --global --add ${name} '${value}'`) ?? [],
        why_not: why,
        upstream,
        carries: carries ? { alias: aliasFrom(carries.alias) ?? null, branch: carries.branch } : null,
        carried,
      }),
    ),
    diff:
      next === original.text ? [] : unifiedDiff(original.text, next, kind.masked).map(({ sign, text }) => sign + text),
  }))
  out.answer({ written, undo, files, problem: ours?.problem?.message ?? null }, () => {
    if (files.length === 0) out.line('No long-lived token was found.')
    for (const { file, program, tokens, diff, changed } of files) {
      out.line({ text: file, style: 'bold' }, `  (${program})`)
      for (const { at, host, what, verified, use, git, why_not, upstream, project, carries, carried } of tokens) {
        out.line(`  ${at}, at ${host}`)
        if (carries)
          out.line(`    there:    ${carries.branch === null ? 'the main branch' : `branch ${carries.branch}`}`)
        out.line(`    is:       ${what}`)
        if (verified !== null) out.line(`    says:     ${verified}`)
        if (use === null) out.line('    stays:    ', { text: why_not ?? '', style: 'yellow' })
        else {
          out.line('    project:  ', { text: project ?? '', style: 'green' })
          for (const text of carried) out.line(`    carried:  ${text}`)
          out.line(`    then use: ${use}`)
          for (const line of git) out.line(`    git:      ${line}${changed ? '  (done)' : ''}`)
          out.line(`    upstream: ${upstream}`)
        }
      }
      if (diff.length > 0) {
        out.line({ text: `  --- ${file}`, style: 'bold' })
        out.line({ text: `  +++ ${file}${changed ? ' (written)' : ''}`, style: 'bold' })
        for (const line of diff) out.line({ text: `  ${line}`, style: signs[line.charAt(0) as DiffLine['sign']] })
      }
      out.line()
    }
    const isChange = files.some(({ diff }) => diff.length > 0)
    if (!written && ours?.problem)
      out.line({ text: `Nobody could be asked which projects are linked: ${ours.problem.message}`, style: 'yellow' })
    if (!written && isChange) out.line('Nothing was changed. To do it: valetkey adopt --write')
    if (written && isChange)
      out.line(
        `Taken out; still good until you delete them upstream.${undo ? ` The old content is in ${undo}: --undo, or --forget.` : ''}`,
      )
  })
}
