import type { ServerResponse } from 'node:http'
import { BrokerError } from '../errors.ts'
import { type Message, type Read, writeMessage } from './messages.ts'

type Head = { status?: number; headers?: readonly string[] }

/** An answer on its way to a client: one message, or a stream of them, no faster than it is taken. */
export class Answering {
  readonly response: ServerResponse
  readonly #headers: readonly string[]
  bytes = 0
  /** `headers`: on every answer, names and values. */
  constructor(response: ServerResponse, headers: readonly string[]) {
    this.response = response
    this.#headers = headers
  }

  get isStream(): boolean {
    return this.response.headersSent
  }

  /** One message, and that is all. */
  whole(read: Read, { status = 200, headers = [] }: Head = {}): void {
    const body = writeMessage(read)
    this.bytes += Buffer.byteLength(body)
    const own = ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(body))]
    this.response.writeHead(status, [...this.#headers, ...own, ...headers]).end(body)
  }

  /** Nothing but a status. */
  bare(status: number): void {
    this.response.writeHead(status, [...this.#headers, 'content-length', '0']).end()
  }

  begin({ headers = [] }: Head = {}): void {
    const own = ['content-type', 'text/event-stream', 'x-accel-buffering', 'no']
    this.response.writeHead(200, [...this.#headers, ...own, ...headers])
    this.response.flushHeaders()
  }

  /** One event; ends when it may be followed by the next. @throws BrokerError aborted */
  async event(
    read: Read | undefined,
    { id, retry }: { id?: string | undefined; retry?: number | undefined },
  ): Promise<void> {
    const lines = [
      ...(id !== undefined ? [`id: ${id}`] : []),
      ...(retry !== undefined ? [`retry: ${retry}`] : []),
      ...(read ? ['event: message', `data: ${writeMessage(read)}`] : id !== undefined ? ['data:'] : []),
    ]
    await this.#write(`${lines.length > 0 ? lines.join('\n') : ':'}\n\n`)
  }

  /** The last words of a stream, or the only ones. */
  async last(message: Message, head: Head = {}): Promise<void> {
    if (!this.isStream) return this.whole({ message, hasNumerals: false }, head)
    await this.event({ message, hasNumerals: false }, {})
    this.end()
  }

  end(): void {
    this.response.end()
  }

  async #write(text: string): Promise<void> {
    this.bytes += Buffer.byteLength(text)
    const { response } = this
    if (response.destroyed) throw new BrokerError('aborted')
    if (response.write(text)) return
    await new Promise<void>((resolve, reject) => {
      const onDrain = () => {
        response.off('close', onClose)
        resolve()
      }
      const onClose = () => {
        response.off('drain', onDrain)
        reject(new BrokerError('aborted'))
      }
      response.once('drain', onDrain).once('close', onClose)
    })
  }
}
