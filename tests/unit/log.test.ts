import { expect, test } from 'vitest'
import { createLog, logRequest } from '../../lib/log.ts'

/** What the log makes of an error. */
function logged(error: unknown): { type: string; stack?: string } {
  const lines: string[] = []
  createLog({ log: 'info' }, { write: (line: string) => void lines.push(line) }).error({ err: error }, 'failed')
  return JSON.parse(lines[0] ?? '{}').err
}

const secret = 'kbc-canary-5f0e1d'
const messages: [string, string][] = [
  ['of one line', `refused: ${secret}`],
  ['of several lines', `refused:\n  token ${secret}\n${secret}`],
  ['of more lines than the log keeps', Array.from({ length: 20 }, (_, line) => `${line} ${secret}`).join('\n')],
  ['with lines that look like a stack', `refused\n    at ${secret} (/app/${secret}.ts:1:1)\n    at ${secret}:2:2`],
  ['that ends in a line feed', `refused ${secret}\n`],
]

test.each(messages)('V-08: of a message %s nothing is in the log, and every frame of its stack is', (_, message) => {
  const { type, stack } = logged(new TypeError(message))
  expect(type).toBe('TypeError')
  expect(stack).not.toContain(secret)
  expect(stack).toMatch(/^ {4}at .*log\.test\.ts:\d+:\d+/)
  for (const line of stack?.split('\n') ?? []) expect(line).toMatch(/^ {4}at /)
})

test('V-08: a message that was changed after its error was made leaves neither the old nor the new one', () => {
  const error = new Error(`first\n${secret}`)
  error.message = `second\n${secret}`
  const { stack } = logged(error)
  expect(stack).not.toContain(secret)
  expect(stack).toMatch(/^ {4}at .*log\.test\.ts/)
})

test('what has no stack has none in the log, and what is no error only a type', () => {
  const error = new Error(secret)
  delete error.stack
  expect(logged(error)).toEqual({ type: 'Error' })
  expect(logged(secret)).toEqual({ type: 'string' })
})

test('V-08: the line about a request is searched for secrets unless all of its facts have a form that none has', () => {
  const lines: string[] = []
  const log = createLog({ log: 'info' }, { write: (line: string) => void lines.push(line) })
  const line = { request: 'req_1', method: 'GET', path: '/x', status: 200, ms: 1, problem: undefined }
  const facts = { user: `usr_${'0'.repeat(32)}`, ended: 2, client: undefined }
  logRequest(log, line, facts)
  logRequest(log, { ...line, method: 'canary' }, { ...facts, token: 'vk_at_canary', seen: { code: 'canary' } })
  logRequest(log, line, { token: 'a'.repeat(43) })
  expect(lines.map((one) => JSON.parse(one))).toMatchObject([
    { level: 30, msg: 'request', request: 'req_1', method: 'GET', path: '/x', status: 200, ms: 1, user: facts.user },
    { method: 'other', token: '[redacted]', seen: { code: '[redacted]' } },
    { token: '[redacted]' },
  ])
  expect(lines.join('')).not.toMatch(/canary|aaaa/)
  log.level = 'silent'
  logRequest(log, line)
  expect(lines.length).toBe(3)
})
