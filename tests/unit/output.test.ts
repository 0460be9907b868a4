import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLog, scrubText } from '../../lib/log.ts'
import { createOutput } from '../../lib/output.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-output-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

type Done = (error: NodeJS.ErrnoException | null, written: number) => void
const refusal = (code: string): NodeJS.ErrnoException => Object.assign(new Error(code), { code })

/** A descriptor that does what the test says: each write waits for its answer. */
function scripted(options: { mostBytes?: number; notice?: (count: number) => string } = {}) {
  const asked: { text: string; answer: Done }[] = []
  const output = createOutput(1, {
    ...options,
    write: (_, bytes, answer) => void asked.push({ text: Buffer.from(bytes).toString(), answer }),
  })
  return { output, asked }
}

describe('lines that go out', () => {
  it('arrive whole and in order, and what comes during a write goes out with the next one', async () => {
    const file = join(folder, 'log')
    const fd = openSync(file, 'w')
    const output = createOutput(fd)
    const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index}\n`)
    for (const line of lines) output.write(line)
    await output.flush(5_000)
    closeSync(fd)
    expect(readFileSync(file, 'utf8')).toBe(lines.join(''))
    expect(output.dropped).toBe(0)
  })

  it('a write that takes a part is continued', () => {
    const { output, asked } = scripted()
    output.write('first\n')
    asked[0]?.answer(null, 3)
    expect(asked[1]?.text).toBe('st\n')
    asked[1]?.answer(null, 3)
    expect(asked).toHaveLength(2)
    expect(output.dropped).toBe(0)
  })
})

describe('a place that takes no lines', () => {
  it('a full disk: every line is dropped and counted, nothing throws, and flushing ends', async () => {
    const full = openSync('/dev/full', 'w')
    const output = createOutput(full)
    for (let line = 0; line < 100; line += 1) output.write(`line ${line}\n`)
    await output.flush(5_000)
    closeSync(full)
    expect(output.dropped).toBe(100)
    expect(output.isStuck).toBe(false)
  })

  it('has room again: lines go out, after one that tells how many were lost, and none is glued to what was left of one', () => {
    const { output, asked } = scripted({ notice: (count) => `lost ${count}\n` })
    output.write('one\n')
    output.write('two\n')
    asked[0]?.answer(refusal('ENOSPC'), 0)
    asked[1]?.answer(null, 5)
    // The first part of the second batch was the notice's begin: the disk is full in the middle of a line.
    asked[2]?.answer(refusal('ENOSPC'), 0)
    output.write('three\n')
    expect(asked[3]?.text).toBe('\nlost 2\nthree\n')
    expect(output.dropped).toBe(2)
  })

  it('a pipe that nobody reads: what may wait is bounded, the rest is dropped, and a write is tried again', async () => {
    const { output, asked } = scripted({ mostBytes: 10 })
    output.write('first\n')
    for (const line of ['second\n', 'third\n', '4th\n']) output.write(line)
    asked[0]?.answer(refusal('EAGAIN'), 0)
    expect(output.dropped).toBe(2)
    await expect.poll(() => asked.length).toBe(2)
    expect(asked[1]?.text).toBe('first\n')
    asked[1]?.answer(null, 6)
    expect(asked[2]?.text).toBe('second\n')
  })

  it('a write that the system does not answer is known, so that the end of the process does not wait for it', async () => {
    const { output, asked } = scripted()
    expect(output.isStuck).toBe(false)
    output.write('first\n')
    await output.flush(10)
    expect(output.isStuck).toBe(true)
    asked[0]?.answer(null, 6)
    expect(output.isStuck).toBe(false)
  })
})

describe('V-08: what the log keeps of errors and of foreign text', () => {
  const logged: string[] = []
  const log = createLog({ log: 'debug' }, { write: (line) => void logged.push(line) })
  beforeEach(() => {
    logged.length = 0
  })

  it.each([
    ['one line', 'canary'],
    ['several lines', 'first canary\nsecond canary\n    third canary'],
    ['lines that look like frames', 'x\n    at canary (/tmp/canary.js:1:2)\n    at /canary.js:3:4\ny'],
  ])('a message of %s is not in the stack', (_, message) => {
    log.error({ err: new Error(message) }, 'it failed')
    const { err } = JSON.parse(logged[0] ?? '')
    expect(JSON.stringify(err)).not.toContain('canary')
    expect(err.stack).toMatch(/^ {4}at .*output\.test\.ts:\d+:\d+\)?/)
  })

  it.each([
    ['Authorization: Bearer abc.def', /abc/],
    ['{"access_token":"abc-1"}', /abc/],
    ["{ password: 'hunter two', user: 'x' }", /hunter|two/],
    ['connect postgres://valetkey_app:pa55@db:5432/x', /pa55|valetkey_app/],
    ['GET https://a.test/cb?code=xyz&state=uvw', /xyz|uvw/],
    ['token eyJhbGciOi.eyJzdWIi.c2ln is bad', /eyJ|c2ln/],
    ['key 5f1e9d3ab2c74de8a05f is bad', /5f1e/],
    ['vk_at_0123456789abcdefghijklm', /0123/],
    ['secret q8Zr/Lm2+T7xYv0Kp5sD1nWc3bEa9uHj6gFi4oRt== there', /q8Zr|oRt/],
  ])('scrubs %s', (text, secret) => {
    expect(scrubText(text)).not.toMatch(secret)
    expect(scrubText(text)).toContain('[redacted]')
  })

  it.each([
    'a plain sentence with /a/path/to/some_file.ts:12:3',
    '✓ Running next.config.mjs took 123ms',
    'Calling client.query() when the client is already executing a query is deprecated and will be removed in pg@9.0.',
    'connect ECONNREFUSED 127.0.0.1:5432',
  ])('leaves %s', (text) => {
    expect(scrubText(text)).toBe(text)
  })
})
