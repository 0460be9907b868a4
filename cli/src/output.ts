import { styleText } from 'node:util'
import type { Failure } from './failure.ts'

type Stream = {
  write(text: string, done?: (error?: Error | null) => void): unknown
  isTTY?: boolean
  on?(event: 'error', listener: () => void): unknown
}
type Sinks = { stdout: Stream; stderr: Stream; stdin: { isTTY?: boolean } }

export type Output = ReturnType<typeof createOutput>
/** What a cell shows, and how; a text alone is plain. */
export type Style = Parameters<typeof styleText>[0]
export type Cell = string | { text: string; style: Style }

/**
 * What came from elsewhere, for a terminal: without what would move its cursor, write its title, or turn the reading around
 * (C0, C1 and bidirectional controls). Our own colours are added after it.
 */
export const plain = (text: string): string => text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, ' ')

/** Answers go to stdout, everything that is told beside them to stderr, so that a pipe gets the answer alone. */
export function createOutput(
  { stdout, stderr, stdin }: Sinks,
  { json, color, env }: { json: boolean; color: boolean; env: Readonly<Record<string, string | undefined>> },
) {
  // https://no-color.org: any value that is not empty.
  const isColourful = (stream: Stream) =>
    color && !env.NO_COLOR && (Boolean(env.FORCE_COLOR) || (stream.isTTY === true && env.TERM !== 'dumb'))
  const styled = (stream: Stream, cell: Cell): string => {
    if (typeof cell === 'string') return plain(cell)
    return isColourful(stream) ? styleText(cell.style, plain(cell.text), { validateStream: false }) : plain(cell.text)
  }
  const line = (stream: Stream, cells: Cell[]) =>
    stream.write(`${cells.map((cell) => styled(stream, cell)).join('')}\n`)
  let progress: string | undefined
  const clear = () => {
    if (progress !== undefined) stderr.write('\r\u001b[K')
    progress = undefined
  }
  return {
    json,
    /** A person is there to be asked. */
    isInteractive: !json && stdin.isTTY === true && stderr.isTTY === true,
    isTerminal: stdout.isTTY === true,
    /** The answer: `data` for programs, `show` writes it for people. */
    answer(data: unknown, show: () => void): void {
      clear()
      if (json) stdout.write(`${JSON.stringify(data, null, 2)}\n`)
      else show()
    },
    /** A line of the answer, for people. */
    line: (...cells: Cell[]) => line(stdout, cells),
    table(head: string[], rows: Cell[][]): void {
      const textOf = (cell: Cell = '') => plain(typeof cell === 'string' ? cell : cell.text)
      const widths = head.map((title, at) => Math.max(...[title, ...rows.map((row) => textOf(row[at]))].map(widthOf)))
      const padded = (cells: Cell[]): Cell[] =>
        cells.flatMap((cell, at) => {
          const isLast = at === cells.length - 1
          return [cell, isLast ? '' : ' '.repeat((widths[at] ?? 0) - widthOf(textOf(cell)) + 2)]
        })
      if (head.some((title) => title !== ''))
        line(stdout, padded(head.map((text) => ({ text, style: 'dim' as const }))))
      for (const row of rows) line(stdout, padded(row))
    },
    /** What was asked for and is secret: as it is, with nothing around it. */
    secret: (text: string) => stdout.write(text),
    /** The same of what has to arrive. @throws where nobody reads any more */
    deliver: (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        clear()
        // Whoever hears it decides: the process does not end over it (main.ts).
        stdout.on?.('error', () => {})
        stdout.write(text, (error) => (error ? reject(error) : resolve()))
      }),
    /** Told beside the answer. */
    note(...cells: Cell[]): void {
      clear()
      line(stderr, cells)
    },
    /** What is under way; on a terminal each replaces the one before. */
    progress(text: string): void {
      if (json || stderr.isTTY !== true) return
      stderr.write(`\r\u001b[K${plain(text)}`)
      progress = text
    },
    done: clear,
    failure(failure: Failure): void {
      clear()
      const { code, message, next, requestId } = failure
      if (json) {
        const error = { code, message, next: next ?? null, request_id: requestId ?? null }
        stderr.write(`${JSON.stringify({ error }, null, 2)}\n`)
        return
      }
      for (const [at, part] of message.split('\n').entries())
        line(stderr, at === 0 ? [{ text: 'valetkey: ', style: 'red' }, part] : [part])
      if (next) for (const part of next.split('\n')) line(stderr, [`  ${part}`])
      if (requestId && failure.exit === 'unreachable') line(stderr, [{ text: `  Request ${requestId}`, style: 'dim' }])
    },
  }
}

/** Columns of a terminal; what is not narrow takes two. */
const widthOf = (text: string): number => {
  let width = 0
  for (const { segment } of new Intl.Segmenter().segment(text))
    width +=
      /\p{Extended_Pictographic}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]/u.test(
        segment,
      )
        ? 2
        : 1
  return width
}
