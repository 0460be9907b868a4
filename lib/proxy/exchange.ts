import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Readable, Transform } from 'node:stream'
import type { Dispatcher } from 'undici'
import { BrokerError } from '../errors.ts'
import { isOutboundError } from '../security/outbound.ts'
import { untraced } from '../trace.ts'

export type Sent = {
  dispatcher: Dispatcher
  origin: string
  /** As it goes out, query included. */
  path: string
  method: string
  /** Names and values in turn. */
  headers: string[]
  body: Readable | null
}

/** Of an upstream's answer, names in small letters. */
export type AnswerHeaders = Record<string, string | string[] | undefined>

/** What becomes of an answer, once its head is here: these names and values go back with it, or it is dropped and asked for again. */
export type Verdict = string[] | 'again'

export type Ended = { status: number; headers: AnswerHeaders; bytesReceived: number; again: boolean }

/**
 * One request to an upstream whose answer goes back as it comes: pieces as they arrive, no faster than they are taken.
 * Whoever of the two goes away, the other is told at once. Ends when the answer has been handed over.
 */
export class Exchange implements Dispatcher.DispatchHandler {
  readonly ended: Promise<Ended>
  readonly #response: ServerResponse
  readonly #judge: (status: number, headers: AnswerHeaders) => Verdict
  #resolve: (ended: Ended) => void = () => {}
  #reject: (why: unknown) => void = () => {}
  #controller: Dispatcher.DispatchController | undefined
  #head: { status: number; headers: AnswerHeaders } = { status: 0, headers: {} }
  #bytesReceived = 0
  #stopped: BrokerError | undefined
  /** All of the answer has come; it may not have been taken yet. */
  #isWhole = false
  #isOver = false

  constructor(response: ServerResponse, judge: (status: number, headers: AnswerHeaders) => Verdict) {
    this.#response = response
    this.#judge = judge
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    response.once('close', this.#onClose)
  }

  send({ dispatcher, ...request }: Sent): Promise<Ended> {
    // No instrumentation sees what is sent there.
    untraced(() => dispatcher.dispatch(request as Dispatcher.DispatchOptions, this))
    return this.ended
  }

  /** Ends it now. Before the head of an answer that is an error to tell; later the connection is closed. */
  cut(why: BrokerError): void {
    if (this.#isOver) return
    this.#stopped ??= why
    this.#controller?.abort(why)
    if (this.#response.headersSent) this.#response.destroy()
    this.#fail(why)
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(this.#stopped ?? new BrokerError('aborted'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: AnswerHeaders): void {
    // 1xx is between the two of us (RFC 9110 15.2).
    if (status < 200 || this.#isOver) return
    this.#head = { status, headers }
    let verdict: Verdict
    try {
      verdict = this.#judge(status, headers)
    } catch (error) {
      this.#fail(error)
      controller.abort(error as Error)
      return
    }
    if (verdict === 'again') {
      this.#over()
      this.#resolve({ ...this.#head, bytesReceived: 0, again: true })
      controller.abort(new BrokerError('aborted'))
      return
    }
    this.#response.writeHead(status, verdict)
    // Nothing follows, whatever length is said: a 304 may say the one that a 200 would have, which undici waits for.
    if (status === 204 || status === 304) this.onResponseEnd()
    // A stream whose first piece takes its time has begun nevertheless; elsewhere head and body leave together.
    else if (!headers['content-length'])
      setImmediate(() => this.#bytesReceived > 0 || this.#isOver || this.#response.flushHeaders())
  }

  onResponseData(controller: Dispatcher.DispatchController, piece: Buffer): void {
    if (this.#isOver || this.#isWhole) return
    this.#bytesReceived += piece.length
    if (this.#response.write(piece)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(): void {
    if (this.#isOver || this.#isWhole) return
    this.#isWhole = true
    this.#response.end(() => {
      this.#over()
      this.#resolve({ ...this.#head, bytesReceived: this.#bytesReceived, again: false })
    })
  }

  onResponseError(_controller: unknown, error: Error): void {
    if (this.#isOver || this.#isWhole) return
    if (this.#response.headersSent) this.#response.destroy()
    this.#fail(this.#stopped ?? asProblem(error))
  }

  /** The caller went away. */
  readonly #onClose = (): void => {
    if (this.#isOver || this.#response.writableFinished) return
    const gone = new BrokerError('aborted')
    this.#controller?.abort(gone)
    this.#fail(gone)
  }

  #fail(why: unknown): void {
    if (this.#isOver) return
    this.#over()
    this.#reject(Object.assign(new ExchangeError(why), { bytesReceived: this.#bytesReceived }))
  }

  #over(): void {
    this.#isOver = true
    this.#response.off('close', this.#onClose)
  }
}

/** How an exchange failed, with what had come by then. */
export class ExchangeError extends Error {
  override readonly name = 'ExchangeError'
  bytesReceived = 0
  constructor(cause: unknown) {
    super('an exchange did not end well', { cause })
  }
}

/** What went wrong at the upstream: nothing of its text, and no difference between closed, silent and refused (F-10). */
function asProblem(error: Error & { code?: string }): BrokerError {
  // Ours: what the body of the request held.
  if (error instanceof BrokerError) return error
  if (error.code === 'UND_ERR_HEADERS_OVERFLOW' || /^HPE_/.test(error.code ?? ''))
    return new BrokerError('upstream_protocol', { cause: error })
  return new BrokerError('upstream_unavailable', { cause: error, retryAfterSeconds: 5 })
}

/** Whether a request surely was not acted upon, or may be sent twice without harm: it met a connection that was closing. */
export const mayRepeat = (error: unknown): boolean => {
  const cause = error instanceof ExchangeError && error.cause instanceof BrokerError ? error.cause.cause : undefined
  if (!(cause instanceof Error) || isOutboundError(cause)) return false
  const { code } = cause as Error & { code?: string }
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** Whether a request brings a body (RFC 9112 6.3). */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0

/** The body of a request on its way: counted, and read for what must not pass. Aborted with its sender. */
export class Body extends Transform {
  bytes = 0
  readonly #guard: ((piece: Buffer) => BrokerError | undefined) | undefined
  constructor(request: IncomingMessage, guard?: (piece: Buffer) => BrokerError | undefined) {
    super()
    this.#guard = guard
    // Not a pipeline: where the upstream has heard enough, the caller still gets its answer.
    request.on('aborted', () => this.destroy(new BrokerError('aborted')))
    request.pipe(this)
  }
  /** Later in this turn, so that what has arrived with it goes on as one: who sends byte by byte costs no more than others. */
  override _write(piece: Buffer, encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    setImmediate(() => (this.destroyed ? done() : super._write(piece, encoding, done)))
  }
  override _writev(pieces: { chunk: Buffer; encoding: BufferEncoding }[], done: (error?: Error | null) => void): void {
    super._write(Buffer.concat(pieces.map(({ chunk }) => chunk)), 'utf8', done)
  }
  override _transform(piece: Buffer, _encoding: string, done: (error?: Error | null, piece?: Buffer) => void): void {
    const refusal = this.#guard?.(piece)
    if (!refusal) this.bytes += piece.length
    done(refusal, refusal ? undefined : piece)
  }
}
