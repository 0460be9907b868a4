import { write as writeTo } from 'node:fs'

/** Where a process's lines go. Nothing here throws, blocks or keeps a process alive. */
export type Output = {
  /** Takes one line with its end. What cannot be written is dropped and counted. */
  write(line: string): void
  /** Lines dropped since the process began. */
  readonly dropped: number
  /** True while the system has not answered a write: `process.exit` would wait for it, for ever if it has to. */
  readonly isStuck: boolean
  /** Resolves when everything is written or dropped, after `milliseconds` at the latest. */
  flush(milliseconds: number): Promise<void>
}

type Write = (
  fd: number,
  bytes: Uint8Array,
  done: (error: NodeJS.ErrnoException | null, written: number) => void,
) => void
type Options = {
  write?: Write
  /** Most bytes that wait. A reader that stops must cost lines, not memory. */
  mostBytes?: number
  /** The line that tells of so many dropped ones, once lines can be written again. */
  notice?: (count: number) => string
}

const [firstPause, longestPause] = [5, 200]

/**
 * Lines to a file descriptor, one write at a time. A full disk, a closed pipe and a pipe that nobody reads drop lines and
 * hold up nothing. Not pino's own destination: that one repeats a failed write synchronously until it succeeds when the
 * process ends (sonic-boom `flushSync`), so a full disk is a process that no signal ends.
 */
export function createOutput(fd: number, options: Options = {}): Output {
  const { write = writeTo as Write, mostBytes = 1024 * 1024, notice } = options
  let waiting: string[] = []
  let waitingBytes = 0
  let sending: { rest: Uint8Array; lines: number; told: number } | undefined
  let isAnswered = true
  let isMidLine = false
  let pause = firstPause
  let dropped = 0
  let untold = 0
  let onIdle: (() => void)[] = []

  const drop = (lines: number) => {
    dropped += lines
    untold += lines
  }

  function begin(): void {
    if (waiting.length === 0) {
      for (const resolve of onIdle) resolve()
      onIdle = []
      return
    }
    // What a failed write left of a line must not swallow the next one.
    const head = `${isMidLine ? '\n' : ''}${untold > 0 && notice ? notice(untold) : ''}`
    sending = { rest: Buffer.from(head + waiting.join('')), lines: waiting.length, told: untold }
    untold = 0
    waiting = []
    waitingBytes = 0
    send(sending)
  }

  function send(batch: NonNullable<typeof sending>): void {
    isAnswered = false
    write(fd, batch.rest, (error, written) => {
      isAnswered = true
      if (error?.code === 'EAGAIN' || error?.code === 'EBUSY') {
        setTimeout(send, pause, batch).unref()
        pause = Math.min(longestPause, pause * 2)
        return
      }
      if (error) {
        drop(batch.lines)
        untold += batch.told
      } else {
        pause = firstPause
        isMidLine = batch.rest[written - 1] !== newline
        batch.rest = batch.rest.subarray(written)
        if (batch.rest.length > 0) return send(batch)
      }
      sending = undefined
      begin()
    })
  }

  return {
    write(line) {
      if (waitingBytes + line.length > mostBytes) return drop(1)
      waiting.push(line)
      waitingBytes += line.length
      if (!sending) begin()
    },
    get dropped() {
      return dropped
    },
    get isStuck() {
      return !isAnswered
    },
    flush(milliseconds) {
      if (!sending) return Promise.resolve()
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, milliseconds)
        onIdle.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    },
  }
}

const newline = '\n'.charCodeAt(0)
const slot = Symbol.for('valetkey.output')

/** Standard error, only as a last resort: everything else goes to the log. */
export const standardError = (): Output => {
  const holder = globalThis as { [errorSlot]?: Output }
  void process.stderr
  holder[errorSlot] ??= createOutput(2)
  return holder[errorSlot]
}
const errorSlot = Symbol.for('valetkey.errors')

/** Standard output, one for the process: the server bundle and Next's load this file twice. */
export function processOutput(notice?: Options['notice']): Output {
  const holder = globalThis as { [slot]?: Output }
  if (!holder[slot]) {
    // Node makes a pipe non-blocking when it makes its stream: a write to a full one is then refused instead of waiting.
    void process.stdout
    holder[slot] = createOutput(1, notice && { notice })
  }
  return holder[slot]
}
