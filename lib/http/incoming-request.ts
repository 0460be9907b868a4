import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { BrokerError } from '../errors.ts'

/** Headers that are read one by one, of the pairs that arrived. What nobody reads is never made. */
class ReadHeaders {
  readonly #values: ReadonlyMap<string, string>
  constructor(values: ReadonlyMap<string, string>) {
    this.#values = values
  }
  get(name: string): string | null {
    return this.#values.get(name) ?? this.#values.get(name.toLowerCase()) ?? null
  }
  has(name: string): boolean {
    return this.get(name) !== null
  }
  /** For everything else that headers can do. */
  #all(): Headers {
    return new Headers([...this.#values])
  }
  entries() {
    return this.#all().entries()
  }
  keys() {
    return this.#all().keys()
  }
  values() {
    return this.#all().values()
  }
  getSetCookie() {
    return this.#all().getSetCookie()
  }
  forEach(...given: Parameters<Headers['forEach']>) {
    this.#all().forEach(...given)
  }
  [Symbol.iterator]() {
    return this.entries()
  }
  append = refuseChange
  delete = refuseChange
  set = refuseChange
}
Object.setPrototypeOf(ReadHeaders.prototype, Headers.prototype)

function refuseChange(): never {
  throw new TypeError('the headers of a request are not changed')
}

/**
 * A request as route handlers know it, made of Node's own: method, address and headers cost nothing, and everything else is a
 * real `Request` once somebody asks for it.
 */
class ReadRequest {
  readonly method: string
  readonly url: string
  readonly headers: Headers
  readonly #incoming: IncomingMessage
  #whole: Request | undefined
  constructor(incoming: IncomingMessage, url: string, headers: ReadonlyMap<string, string>) {
    this.#incoming = incoming
    this.method = incoming.method ?? 'GET'
    this.url = url
    this.headers = new ReadHeaders(headers) as unknown as Headers
  }
  get #real(): Request {
    const hasBody = this.method !== 'GET' && this.method !== 'HEAD'
    this.#whole ??= new Request(this.url, {
      method: this.method,
      headers: new Headers([...this.headers]),
      ...(hasBody && { body: Readable.toWeb(this.#incoming) as ReadableStream<Uint8Array>, duplex: 'half' }),
    })
    return this.#whole
  }
  get body() {
    return this.#real.body
  }
  get bodyUsed() {
    return this.#real.bodyUsed
  }
  get signal() {
    return this.#real.signal
  }
  text() {
    return this.#real.text()
  }
  json() {
    return this.#real.json()
  }
  arrayBuffer() {
    return this.#real.arrayBuffer()
  }
  formData() {
    return this.#real.formData()
  }
  blob() {
    return this.#real.blob()
  }
  clone() {
    return this.#real.clone()
  }

  /** @throws BrokerError too_large; aborted when it stops before its end */
  read(cap: number): Promise<Buffer> {
    const incoming = this.#incoming
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = []
      let size = 0
      const end = (act: () => void) => {
        incoming.off('data', take).off('end', whole).off('error', cut).off('close', cut)
        act()
      }
      const take = (chunk: Buffer) => {
        size += chunk.length
        if (size > cap) end(() => reject(new BrokerError('too_large')))
        else chunks.push(chunk)
      }
      const whole = () => end(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
      const cut = (cause?: unknown) => end(() => reject(new BrokerError('aborted', { cause })))
      if (incoming.destroyed && !incoming.complete) return cut()
      incoming.on('data', take).on('end', whole).on('error', cut).on('close', cut)
    })
  }
}
Object.setPrototypeOf(ReadRequest.prototype, Request.prototype)

export const requestOf = (incoming: IncomingMessage, url: string, headers: ReadonlyMap<string, string>): Request =>
  new ReadRequest(incoming, url, headers) as unknown as Request

/** The body of such a request, straight from its connection; undefined: it is another's. */
export const bytesOf = (request: Request, cap: number): Promise<Buffer> | undefined =>
  (request as unknown) instanceof ReadRequest ? (request as unknown as ReadRequest).read(cap) : undefined
