import { type ConnectionOptions, connect, type PeerCertificate, type TLSSocket } from 'node:tls'
import * as z from 'zod/mini'
import type { Cli } from '../cli.ts'
import { authorities, reasonOf } from '../http.ts'
import type { Place } from '../place.ts'
import { type Finding, fail, ok, warn } from './index.ts'
import { isProxy, proxyFor, throughProxy } from './proxy.ts'

/** Seconds that two clocks may be apart. */
const closeEnough = 30
const farApart = 300
/** Days that a certificate should have left. */
const soon = 14

const Description = z.object({ info: z.object({ version: z.string() }) })
const Metadata = z.object({ issuer: z.string(), token_endpoint: z.string(), device_authorization_endpoint: z.string() })

/** The way to a server, and what answers there. */
export async function* networkChecks(cli: Cli, { server, from }: Place): AsyncGenerator<Finding> {
  const url = new URL(server)
  yield ok('server', `${server} (${from})`)
  const proxy = proxyFor(url, cli.env)
  yield* proxies(cli, proxy)
  yield url.protocol === 'https:' ? await tls(cli, url, proxy) : ok('tls', 'none: http, for this machine alone')
  const [began, asked] = [cli.monotonicSeconds(), cli.now()]
  let response: Response
  try {
    response = await cli.http(new Request(`${server}/api/health`, { redirect: 'manual' }))
  } catch (error) {
    yield unreachable(server, error)
    return
  }
  yield clock(response, new Date(asked.getTime() + ((cli.monotonicSeconds() - began) / 2) * 1000))
  yield await identity(cli, server, response)
}

async function* proxies({ env }: Cli, used: URL | undefined): AsyncGenerator<Finding> {
  const set = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy', 'NO_PROXY', 'no_proxy'].filter(
    (name) => env[name],
  )
  const bad = set.filter((name) => !/^no_/i.test(name) && !isProxy(env[name] ?? ''))
  if (bad.length > 0)
    yield fail('proxy', `${bad.join(', ')} is no address`, `Write it with its scheme: http://proxy.example:3128`)
  else if (used) yield ok('proxy', `${used.origin} is used; set: ${set.join(', ')}`)
  else yield ok('proxy', set.length > 0 ? `none is used for this server; set: ${set.join(', ')}` : 'none')
}

async function tls(cli: Cli, url: URL, proxy: URL | undefined): Promise<Finding> {
  const { caFile } = cli.given
  let socket: TLSSocket
  try {
    const ca = caFile === undefined ? undefined : await authorities(cli.env, caFile)
    const under = proxy && (await throughProxy(proxy, url, cli.signal))
    socket = await handshake({
      host: url.hostname.replace(/^\[|\]$/g, ''),
      port: Number(url.port || 443),
      ...(ca && { ca }),
      ...(under && { socket: under }),
    })
  } catch (error) {
    return fail(
      'tls',
      `there is no handshake with ${url.host} (${reasonOf(error)})`,
      'Check the address, and the proxy on the way.',
    )
  }
  // Typed as an Error, and in fact the code of one.
  const problem = socket.authorizationError as unknown
  const certificate = socket.getPeerCertificate(true)
  const protocol = socket.getProtocol()
  socket.destroy()
  const until = new Date(certificate.valid_to)
  const days = Math.floor((until.getTime() - cli.now().getTime()) / 86_400_000)
  const signed = `signed by ${signers(certificate).join(', by ')}, until ${until.toISOString().slice(0, 10)}`
  if (problem)
    return fail(
      'tls',
      `the certificate is not believed (${String(problem)}): ${signed}`,
      fixOf(String(problem), certificate),
    )
  if (days < soon)
    return warn('tls', `the certificate ends in ${days} days: ${signed}`, 'Tell whoever runs the server.')
  return ok('tls', `${protocol}, ${signed}${caFile === undefined ? '' : `, with ${caFile}`}`)
}

const handshake = (options: ConnectionOptions & { host: string }): Promise<TLSSocket> =>
  new Promise((resolve, reject) => {
    const { host } = options
    const isName = !/^[\d.]+$|:/.test(host)
    // What is wrong with it is what we are here to say; nothing is sent over this connection.
    const socket = connect({ ...options, ...(isName && { servername: host }), rejectUnauthorized: false })
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer in 10 s')))
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', reject)
  })

/** Who signed, from the nearest up to the root. */
function signers(certificate: PeerCertificate): string[] {
  const names: string[] = []
  let one: PeerCertificate & { issuerCertificate?: PeerCertificate } = certificate
  for (let step = 0; step < 6; step += 1) {
    const { CN, O } = one.issuer ?? {}
    names.push([CN, O].flat().find(Boolean) ?? 'somebody without a name')
    const above = one.issuerCertificate
    if (!above || above.fingerprint256 === one.fingerprint256) break
    one = above
  }
  return [...new Set(names)]
}

function fixOf(problem: string, { subjectaltname }: PeerCertificate): string {
  if (problem === 'CERT_HAS_EXPIRED') return 'Tell whoever runs the server, unless the clock of this machine is wrong.'
  if (problem === 'CERT_NOT_YET_VALID') return 'Set the clock of this machine.'
  if (problem === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return `It is for ${subjectaltname ?? 'another name'}: use that name, or tell whoever runs the server.`
  return 'If it is of your company’s own CA, or of a proxy that opens TLS: get the CA as PEM and say --ca-file FILE.'
}

const unreachable = (server: string, error: unknown): Finding => {
  const reason = reasonOf(error)
  const fixes: Record<string, string> = {
    ENOTFOUND: 'There is no such name: check the address, and DNS or VPN.',
    EAI_AGAIN: 'Names cannot be looked up: check your network.',
    ECONNREFUSED: 'Nothing listens there: check the port, and whether the server runs.',
  }
  return fail(
    'answer',
    `${server} does not answer (${reason})`,
    fixes[reason] ?? 'Check the address, your network, and the proxy on the way.',
  )
}

function clock({ headers }: Response, here: Date): Finding {
  const there = new Date(headers.get('date') ?? '')
  if (Number.isNaN(there.getTime()))
    return warn('clock', 'the server tells no time', 'Something on the way takes the Date header out.')
  // Whole seconds are told.
  const apart = Math.round((here.getTime() - there.getTime()) / 1000)
  if (Math.abs(apart) <= closeEnough) return ok('clock', 'as the server’s')
  const what = `this machine is ${Math.abs(apart)} s ${apart > 0 ? 'ahead of' : 'behind'} the server`
  return Math.abs(apart) > farApart ? fail('clock', what, setClock) : warn('clock', what, setClock)
}
const setClock = 'Set the clock of this machine, or tell whoever runs the server.'

/** Whether it is Valetkey, and the one that it should be (RFC 8414 3.3: the issuer is the address asked). */
async function identity(cli: Cli, server: string, health: Response): Promise<Finding> {
  const stranger = (what: string) =>
    fail('answer', what, 'Check the address. A proxy or a sign-in page may stand in between.')
  if (health.status >= 300 && health.status < 400)
    return stranger(`it sends elsewhere, to ${health.headers.get('location')}`)
  if (health.status >= 500)
    return fail(
      'answer',
      `it answers HTTP ${health.status}`,
      'The server, or one before it, has trouble: try later, or tell whoever runs it.',
    )
  try {
    const response = await cli.http(
      new Request(`${server}/.well-known/oauth-authorization-server`, { redirect: 'manual' }),
    )
    const metadata = Metadata.safeParse(await response.json())
    if (!metadata.success || !metadata.data.token_endpoint.startsWith(server)) {
      const other = metadata.data?.issuer
      return other !== undefined && other !== server
        ? fail('answer', `it calls itself ${other}`, `Use that address: valetkey login ${other}`)
        : stranger('what answers is not Valetkey')
    }
    const { issuer } = metadata.data
    if (issuer !== server)
      return fail('answer', `it calls itself ${issuer}`, `Use that address: valetkey login ${issuer}`)
    if (!health.ok)
      return fail('answer', `Valetkey, which is not well (HTTP ${health.status})`, 'Tell whoever runs the server.')
    return ok('answer', `Valetkey, ${await versionOf(cli, server)}`)
  } catch {
    return stranger('what answers is not Valetkey')
  }
}

/** What its API's own description says. */
async function versionOf(cli: Cli, server: string): Promise<string> {
  const response = await cli.http(new Request(`${server}/api/v1/openapi.json`, { redirect: 'manual' }))
  const described = Description.safeParse(await response.json().catch(() => undefined))
  return described.success ? `API v${described.data.info.version}` : 'which does not tell its version'
}
