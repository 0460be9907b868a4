/** Why an outbound request brought no answer. `reached` is false only where not one byte can have been acted upon. */
export class OutboundError extends Error {
  override readonly name = 'OutboundError'
  readonly reached: boolean
  constructor(message: string, { reached, cause }: { reached: boolean; cause?: unknown }) {
    super(message, { cause })
    this.reached = reached
  }
}

export type OutboundFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

const timeoutMs = 10_000
const maxBodyBytes = 1_048_576
/** Node's codes for a connection that was never made (net, dns, undici). */
const neverConnected = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function connectionCode(error: unknown): string | undefined {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code
    if (cause instanceof AggregateError && cause.errors[0] instanceof Error) return connectionCode(cause.errors[0])
  }
  return undefined
}

async function readCapped(response: Response): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength
    if (size > maxBodyBytes) throw new OutboundError('The answer is too large', { reached: true })
    chunks.push(chunk)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

/**
 * The one way out to other servers. Only https (http to loopback where `allowLoopback`), no redirects followed (F-05),
 * 10 s in all, 1 MiB of body after decompression (F-06); environment proxies play no part (F-09).
 * Answers a Response whose body is already here.
 * @throws OutboundError
 */
export function createOutbound({ allowLoopback }: { allowLoopback: boolean }): OutboundFetch {
  return async (input, init) => {
    const request = new Request(input, { ...init, redirect: 'manual' })
    const url = new URL(request.url)
    const loopback = allowLoopback && (url.hostname === '127.0.0.1' || url.hostname === 'localhost')
    if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback))
      throw new OutboundError('Only https is allowed', { reached: false })
    if (url.username || url.password) throw new OutboundError('Credentials in a URL are refused', { reached: false })
    try {
      const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)])
      const response = await fetch(request, { signal })
      if (response.status >= 300 && response.status < 400)
        throw new OutboundError('A redirect was refused', { reached: true })
      const body = await readCapped(response)
      const bodiless = response.status === 204 || response.status === 205 || request.method === 'HEAD'
      return new Response(bodiless ? null : body, { status: response.status, headers: response.headers })
    } catch (error) {
      if (error instanceof OutboundError) throw error
      const reached = !neverConnected.has(connectionCode(error) ?? '')
      throw new OutboundError(reached ? 'The answer did not arrive' : 'No connection', { reached, cause: error })
    }
  }
}
