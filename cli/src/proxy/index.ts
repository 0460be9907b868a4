import { childEnvironment, runChild } from '../child.ts'
import { readRights } from '../choice.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { dispatcherOf } from '../http.ts'
import { wanted } from '../issue/held.ts'
import { readOffer } from '../issue/offer.ts'
import { openSession } from '../session.ts'
import { exitCodeOf } from '../signals.ts'
import { type Listener, listen } from './listener.ts'
import { type Renewing, renewing } from './renewing.ts'

export type Given = {
  project: string
  port: number
  rights: string | undefined
  expires: string | undefined
  flags: string[]
  /** Runs as long as we do; none: until somebody ends us. */
  command: string[]
}

/** Opens an address of this machine for a project's API, which needs no token. Answers the exit code. @throws Failure */
export async function openProxy(cli: Cli, given: Given): Promise<number> {
  const { project, command } = given
  let tokens: Renewing | undefined
  let listener: Listener | undefined
  let end = () => {}
  const ended = new Promise<void>((resolve) => {
    end = resolve
  })
  let told: NodeJS.Signals | undefined
  // A request that is under way may be making a token: its answer is waited for, unless somebody insists.
  const release = cli.signals.take((signal) => {
    const isFirst = told === undefined
    told ??= signal
    end()
    return isFirst || listener !== undefined
  })
  try {
    const session = await openSession(cli)
    const choice = given.rights === undefined ? undefined : { rights: await readRights(given.rights) }
    const asked = await wanted(await readOffer(session, project), { ...given, choice, strategy: 'proxy' })
    tokens = await renewing(cli, session, asked, 'proxy')
    // What is ours goes to the server that we are signed in to, whatever name it has for itself.
    const target = session.server + new URL(asked.way.base_url).pathname
    const { Agent } = await import('../undici.ts')
    const dispatcher = (await dispatcherOf(cli.env, cli.given.caFile)) ?? new Agent()
    listener = await listen({ port: given.port, target, tokens, dispatcher })
    const { url } = listener
    if (command.length > 0)
      return told ? exitCodeOf(told) : await runChild(cli, command, childEnvironment(cli, { API_URL: url }))
    if (!told) cli.out.answer({ url, project }, () => cli.out.line(url))
    await ended
    return 0
  } finally {
    const stay = cli.signals.take(() => true)
    await listener?.close()
    await tokens?.end().catch((error: unknown) => {
      if (!(error instanceof Failure)) throw error
      cli.out.note({
        text: `valetkey: the token could not be revoked, and ends by itself: ${error.message}`,
        style: 'yellow',
      })
    })
    stay()
    release()
  }
}
