import { basename } from 'node:path'
import { mayBeSet } from '../../lib/client/index.ts'
import { childEnvironment, runChild } from './child.ts'
import { type Choice, readRights } from './choice.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { type Held, issueToken, letGo, type Wanted, wanted } from './issue/held.ts'
import { readOffer } from './issue/offer.ts'
import { findLink, readAddress } from './place.ts'
import { openSession, type Session } from './session.ts'
import { exitCodeOf } from './signals.ts'

/** A project, and where its token goes where that is said: a name, or with `_` at its end what all its names begin with. */
export type Aimed = { project: string; as: string | undefined }

export type Given = {
  aims: Aimed[]
  /** What is said of rights: of the only project, or by the name of one. */
  rights: string[]
  strategy: string | undefined
  branch?: string | undefined
  expires: string | undefined
  flags: string[]
  command: string[]
}

/**
 * Runs a program with a token for each project in its environment, and revokes them when it has ended. Answers its exit code.
 * @throws Failure not_started and its like: nothing was run, and what had been issued is revoked
 */
export async function execute(cli: Cli, given: Given): Promise<number> {
  const { command } = given
  const tokens: Held[] = []
  let session: Session | undefined
  let ending: NodeJS.Signals | undefined
  // A request that is under way may be making a token: its answer is waited for, unless somebody insists.
  const release = cli.signals.take((signal) => {
    const isFirst = ending === undefined
    ending ??= signal
    return isFirst
  })
  try {
    session = await openSession(cli)
    await issueAll(cli, session, given, tokens)
    const environment = childEnvironment(cli, variablesOf(tokens, given.aims))
    if (ending !== undefined) return exitCodeOf(ending)
    return await whileTold(cli, tokens, () => runChild(cli, command, environment))
  } catch (error) {
    if (ending !== undefined) return exitCodeOf(ending)
    throw error instanceof Failure && error.exitCode < 125 ? notStarted(error) : error
  } finally {
    // Nothing but a kill keeps us from it any more.
    const stay = cli.signals.take(() => true)
    if (session) await revoke(cli, session, tokens)
    stay()
    release()
  }
}

const notStarted = (error: Failure): Failure => {
  const { message, code, next, requestId, cause } = error
  return new Failure('not_started', message, { code, next, ...(requestId && { requestId }), cause })
}

/** @param tokens gets those that were issued, also where another fails */
async function issueAll(cli: Cli, session: Session, given: Given, tokens: Held[]): Promise<void> {
  const { aims, command } = given
  const purpose = `exec: ${basename(command[0] ?? '').replace(/[^\p{L}\p{N} ._+-]/gu, '?')}`.slice(0, 200)
  const choices = await choicesOf(cli, session, given)
  const asked: Wanted[] = await Promise.all(
    aims.map(
      async ({ project }) =>
        await wanted(await readOffer(session, project, given.branch), {
          ...given,
          project,
          choice: choices.get(project),
        }),
    ),
  )
  // What is not clear is told before anything is issued.
  variablesOf(
    asked.map((one) => ({ ...one, value: one.project })),
    aims,
  )
  const outcomes = await Promise.allSettled(
    asked.map(async (one) => void tokens.push(await issueToken(cli, session, { ...one, purpose }))),
  )
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}

/** What was chosen for each project: by --rights, or before, in the linked folder. */
async function choicesOf(cli: Cli, { server }: Session, { aims, rights }: Given): Promise<Map<string, Choice>> {
  const linked = await findLink(cli.cwd)
  const isHere = linked && readAddress(linked.link.server, linked.file).server === server
  const choices = new Map(Object.entries((isHere && linked.link.exec) || {}))
  for (const one of rights) {
    const [, named, file] = /^([^={]+)=(.*)$/s.exec(one) ?? []
    const isNamed = named !== undefined && aims.some(({ project }) => project === named)
    const [only, ...others] = aims
    if (!isNamed && others.length > 0)
      throw new Failure('usage', `Of which project are the rights of ${one}?`, {
        next: 'Say so: --rights PROJECT=FILE',
      })
    const project = isNamed ? named : (only?.project ?? '')
    choices.set(project, { rights: await readRights(isNamed ? (file ?? '') : one) })
  }
  return choices
}

/**
 * The variables of a program. @throws Failure where two projects would fill the same one differently, or where a server names
 * one that may not be set on its word
 */
export function variablesOf(
  tokens: readonly Pick<Held, 'project' | 'way' | 'value'>[],
  aims: readonly Aimed[],
): Record<string, string> {
  const filled = new Map<string, { value: string; project: string }>()
  for (const { project, way, value } of tokens) {
    const as = aims.find((aim) => aim.project === project)?.as
    for (const [name, text] of named(way, value, as)) {
      const other = filled.get(name)
      if (other && other.value !== text) throw collision(name, [other.project, project])
      filled.set(name, { value: text, project })
    }
  }
  return Object.fromEntries([...filled].map(([name, { value }]) => [name, value]))
}

function named({ environment }: Held['way'], value: string, as: string | undefined): [string, string][] {
  if (as !== undefined && !as.endsWith('_')) return [[as, value]]
  const { token, values } = environment
  const all = [...token.map((name): [string, string] => [name, value]), ...Object.entries(values)]
  const bad = all.find(([name]) => !mayBeSet(name))
  if (bad)
    throw new Failure('strange', `The server wants to set ${bad[0]} for the program, which it may not.`, {
      next: 'Ask who runs it.',
    })
  return all.map(([name, text]) => [`${as ?? ''}${name}`, text])
}

const collision = (name: string, [one = '', other = '']: string[]) =>
  new Failure('usage', `${one} and ${other} would both set ${name}.`, {
    code: 'same_variable',
    next: `Say what one of them is called: ${other}=MY_TOKEN, or ${other}=MY_ for all its variables.`,
  })

/** Tells of each token that ends before the work does. */
async function whileTold<T>(cli: Cli, tokens: readonly Held[], work: () => Promise<T>): Promise<T> {
  const over = new AbortController()
  for (const { project, endsAt } of tokens)
    cli.wait(Math.max(0, endsAt - cli.monotonicSeconds()), over.signal).then(
      () => cli.out.note(`valetkey: the token for ${project} has ended, and the program still runs.`),
      () => {},
    )
  try {
    return await work()
  } finally {
    over.abort()
  }
}

async function revoke(cli: Cli, session: Session, tokens: readonly Held[]): Promise<void> {
  try {
    await letGo(
      session,
      tokens.map(({ id }) => id),
      'exec: the program has ended',
    )
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const last = tokens
      .map(({ expiresAt }) => expiresAt.toISOString())
      .sort()
      .at(-1)
    cli.out.note({
      text: `valetkey: what the program was given could not be revoked: ${error.message} It ends by itself at ${last}.`,
      style: 'yellow',
    })
  }
}
