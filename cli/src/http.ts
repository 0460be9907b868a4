import { readFile } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import type { Dispatcher } from 'undici'
import { Failure } from './failure.ts'
import type { Output } from './output.ts'

/**
 * Sends one request. A refused connection, a time-out and an answer without end are errors, as fetch has them. `steady`: to
 * its end, whatever Ctrl-C says, because what it does has to be known.
 */
export type Http = (request: Request, how?: { steady?: boolean }) => Promise<Response>

/** Seconds without an answer's head. */
const patienceSeconds = 30
/** Octets of an answer; the largest that the API gives is far below. */
const largestAnswer = 8 * 1024 * 1024

type Settings = {
  env: Readonly<Record<string, string | undefined>>
  caFile: string | undefined
  verbose: boolean
  signal: AbortSignal
}

/**
 * Requests through the proxy that the environment names, and with the CAs of a file where one is given. Shows nothing of a
 * request but method, address without query, status and time: what is secret is in none of these.
 */
export function createHttp({ env, caFile, verbose, signal }: Settings, out: Pick<Output, 'note'>): Http {
  let sender: Promise<Http> | undefined
  return async (given, { steady = false } = {}) => {
    sender ??= createSender(env, caFile)
    const request = new Request(given, {
      signal: AbortSignal.any([given.signal, ...(steady ? [] : [signal]), AbortSignal.timeout(patienceSeconds * 1000)]),
    })
    request.headers.set('User-Agent', `valetkey/${VALETKEY_VERSION} (${platform()} ${arch()})`)
    const { origin, pathname } = new URL(request.url)
    const began = performance.now()
    const tell = (what: string) => {
      const took = Math.round(performance.now() - began)
      if (verbose) out.note({ text: `${request.method} ${origin}${pathname} -> ${what} (${took} ms)`, style: 'dim' })
    }
    try {
      const response = await (await sender)(request)
      tell(`${response.status}${describe(response)}`)
      return limited(response)
    } catch (error) {
      tell(reasonOf(error))
      throw error
    }
  }
}

const describe = ({ headers }: Response) => {
  const told = ['x-request-id', 'retry-after'].flatMap((name) =>
    headers.has(name) ? [`${name}: ${headers.get(name)}`] : [],
  )
  return told.length > 0 ? ` ${told.join(', ')}` : ''
}

/** What a failed fetch says in its causes. */
export function reasonOf(error: unknown): string {
  const causes: string[] = []
  for (let one = error; one instanceof Error; one = one.cause)
    causes.push('code' in one && typeof one.code === 'string' ? one.code : one.message)
  return causes.at(-1) ?? String(error)
}

async function createSender(env: Settings['env'], caFile: string | undefined): Promise<Http> {
  const dispatcher = await dispatcherOf(env, caFile)
  if (dispatcher === undefined) return (request) => fetch(request)
  const { fetch: send, Request: Asked } = await import('./undici.ts')
  // Node's own Request and the package's are two classes; what one carries is copied into the other.
  return async (request) => {
    const body = request.body === null ? null : new Uint8Array(await request.arrayBuffer())
    const { url, method, redirect, signal } = request
    const asked = new Asked(url, { method, headers: [...request.headers], body, redirect, signal })
    return (await send(asked, { dispatcher })) as unknown as Response
  }
}

/** The way to a server, where it is another than Node's own: through a proxy, or with other CAs. */
export async function dispatcherOf(env: Settings['env'], caFile: string | undefined): Promise<Dispatcher | undefined> {
  const isProxied = ['HTTPS_PROXY', 'https_proxy', 'HTTP_PROXY', 'http_proxy'].some((name) => env[name])
  if (!isProxied && caFile === undefined) return undefined
  const { EnvHttpProxyAgent } = await import('./undici.ts')
  const ca = caFile === undefined ? undefined : await authorities(env, caFile)
  return new EnvHttpProxyAgent({
    ...(env.HTTP_PROXY || env.http_proxy ? { httpProxy: env.http_proxy ?? env.HTTP_PROXY ?? '' } : {}),
    ...(env.HTTPS_PROXY || env.https_proxy ? { httpsProxy: env.https_proxy ?? env.HTTPS_PROXY ?? '' } : {}),
    noProxy: env.no_proxy ?? env.NO_PROXY ?? '',
    ...(ca && { connect: { ca }, requestTls: { ca }, proxyTls: { ca } }),
  })
}

/** Whom to believe with a file of certificates: the public CAs, those that Node was told of, and those of the file. @throws Failure usage */
export async function authorities({ NODE_EXTRA_CA_CERTS: extra }: Settings['env'], caFile: string): Promise<string[]> {
  const { rootCertificates } = await import('node:tls')
  // Node itself goes on without a file that it cannot read.
  const more = extra ? await readFile(extra, 'utf8').catch(() => '') : ''
  return [...rootCertificates, ...(more ? [more] : []), await readCa(caFile)]
}

async function readCa(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Failure('usage', `The file of certificates cannot be read: ${file}`, { cause, next: 'Check --ca-file.' })
  })
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    throw new Failure('usage', `There is no certificate in PEM form in ${file}.`, { next: 'Check --ca-file.' })
  return pem
}

/** The same answer, read up to a limit: who answers without end fills no memory. */
function limited(response: Response): Response {
  if (response.body === null) return response
  let left = largestAnswer
  const guard = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      left -= chunk.byteLength
      if (left < 0) controller.error(new Error('the answer is larger than 8 MiB'))
      else controller.enqueue(chunk)
    },
  })
  const { status, statusText, headers } = response
  return new Response(response.body.pipeThrough(guard), { status, statusText, headers: new Headers([...headers]) })
}
