import { expect, it } from 'vitest'
import { Failure } from '../../cli/src/failure.ts'
import { createOutput } from '../../cli/src/output.ts'

function output(given: { json?: boolean; color?: boolean; env?: Record<string, string>; isTTY?: boolean } = {}) {
  const written = { stdout: '', stderr: '' }
  const stream = (name: keyof typeof written) => ({
    isTTY: given.isTTY ?? false,
    write(text: string) {
      written[name] += text
    },
  })
  const { json = false, color = true, env = {} } = given
  const out = createOutput(
    { stdout: stream('stdout'), stderr: stream('stderr'), stdin: { isTTY: given.isTTY ?? false } },
    { json, color, env },
  )
  return { out, written }
}
const escapeCharacter = '\u001b'

it('what a server says moves no cursor, writes no title and turns no text around', () => {
  const { out, written } = output({ isTTY: true })
  const hostile = `a${escapeCharacter}[2Jb${escapeCharacter}]0;title\u0007c\u202ed\u0085e\r\nf`
  out.line(hostile)
  out.table(['name'], [[hostile], [{ text: hostile, style: 'red' }]])
  out.failure(new Failure('failed', hostile, { next: hostile }))
  const all = written.stdout + written.stderr
  // Only colours are left, and they are ours.
  const text = all.replaceAll(new RegExp(`${escapeCharacter}\\[\\d+m|\\n`, 'g'), '')
  expect(text).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
})

it('colours are for a terminal, and for nobody who says no', () => {
  const styled = (given: Parameters<typeof output>[0]) => {
    const { out, written } = output(given)
    out.line({ text: 'live', style: 'green' })
    return written.stdout.includes(escapeCharacter)
  }
  expect(styled({ isTTY: true })).toBe(true)
  expect(styled({ isTTY: false })).toBe(false)
  expect(styled({ isTTY: true, color: false })).toBe(false)
  expect(styled({ isTTY: true, env: { NO_COLOR: '1' } })).toBe(false)
  expect(styled({ isTTY: true, env: { NO_COLOR: '' } })).toBe(true)
  expect(styled({ isTTY: true, env: { TERM: 'dumb' } })).toBe(false)
})

it('in JSON an answer is all of stdout, and an error all of stderr', () => {
  const { out, written } = output({ json: true, isTTY: true })
  out.progress('waiting')
  out.answer({ a: 1 }, () => out.line('for people'))
  out.failure(new Failure('refused', 'no', { code: 'over_policy', next: 'ask' }))
  expect(JSON.parse(written.stdout)).toEqual({ a: 1 })
  expect(JSON.parse(written.stderr)).toEqual({
    error: { code: 'over_policy', message: 'no', next: 'ask', request_id: null },
  })
})

it('columns stand below each other, also where letters are wide', () => {
  const { out, written } = output()
  out.table(
    ['name', 'x'],
    [
      ['日本', 'a'],
      ['abcd', 'b'],
    ],
  )
  expect(written.stdout).toBe('name  x\n日本  a\nabcd  b\n')
})
