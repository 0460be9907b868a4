import * as z from 'zod/mini'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { askedFor, sessionFor } from './given.ts'
import { allowedAt, readHosts } from './hosts.ts'
import { dropToken, keptToken } from './kept.ts'

/** Programs compare these texts to the letter (docker/docker-credential-helpers, credentials/error.go). */
const notFound = 'credentials not found in native keychain'
const noServer = 'no credentials server URL'

/**
 * The credential helper of docker: the registry comes on the input, and what is wrong is told on the output, with exit code 1.
 * Nothing is ever stored: it hands out tokens of hosts that were allowed.
 */
export async function answerDocker(cli: Cli, operation: string): Promise<number> {
  try {
    const said = await answer(cli, operation)
    if (said !== undefined) cli.out.secret(`${said}\n`)
    return 0
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    cli.out.secret(`${error.message}\n`)
    return 1
  }
}

async function answer(cli: Cli, operation: string): Promise<string | undefined> {
  if (operation === 'list') {
    const hosts = Object.entries(await readHosts(cli)).filter(([host]) => !host.includes('/'))
    return JSON.stringify(Object.fromEntries(hosts.map(([host, { username }]) => [host, username])))
  }
  if (operation === 'version') return `docker-credential-valetkey (valetkey) ${VALETKEY_VERSION}`
  const input = (await cli.input()).trim()
  if (operation === 'store') throw refused(input)
  if (operation !== 'get' && operation !== 'erase')
    throw new Failure('usage', `Unknown credential action \`${operation}\``)
  if (input === '') throw new Failure('usage', noServer)
  const allowed = await allowedAt(cli, addressOf(input))
  const asked = allowed && askedFor(allowed, 'docker')
  if (operation === 'erase') {
    if (asked) await dropToken(cli, await sessionFor(cli, allowed), asked)
    return undefined
  }
  if (!asked) throw new Failure('not_found', notFound)
  const { value } = await keptToken(cli, await sessionFor(cli, allowed), asked)
  return JSON.stringify({ ServerURL: input, Username: allowed.username, Secret: value })
}

/** A registry is known by its host; some are called by an address with a path (`https://index.docker.io/v1/`). */
function addressOf(server: string): { protocol: string; host: string } {
  const url = /^[a-z]+:\/\//.test(server) ? server : `https://${server}`
  if (!URL.canParse(url)) throw new Failure('not_found', notFound)
  const { protocol, host } = new URL(url)
  return { protocol: protocol.slice(0, -1), host }
}

function refused(input: string): Failure {
  const Stored = z.object({ ServerURL: z.string() })
  let server = ''
  try {
    server = Stored.parse(JSON.parse(input)).ServerURL
  } catch {
    return new Failure('usage', 'what is to be stored is no JSON')
  }
  if (server === '') return new Failure('usage', noServer)
  return new Failure('refused', 'valetkey keeps no passwords: it makes tokens for hosts that were allowed')
}
