import { inspect } from 'node:util'
import { expect, it } from 'vitest'
import { createLog } from '../../lib/log.ts'
import { Secret } from '../../lib/security/secrets.ts'

const value = 'the-value-itself'

it('K-14 V-08: a secret shows itself in no printed form, only when it is asked to', () => {
  const secret = new Secret(value)
  const printed = [
    JSON.stringify({ secret }),
    String(secret),
    `${secret}`,
    inspect({ secret }, { showHidden: true, depth: 9 }),
  ]
  expect(printed.filter((text) => text.includes(value))).toEqual([])
  expect(secret.reveal()).toBe(value)
})

it('K-14 V-08: the log blanks credentials by name, at any level and one or two objects deep', () => {
  const lines: string[] = []
  const log = createLog({ log: 'debug' }, { write: (line: string) => void lines.push(line) })
  for (const name of [
    'authorization',
    'cookie',
    'access_token',
    'refresh_token',
    'id_token',
    'code',
    'client_secret',
    'state',
  ])
    log.debug({ [name]: value, deep: { [name]: value, deeper: { [name]: value } } }, 'said')
  expect(lines).toHaveLength(8)
  expect(lines.join('')).not.toContain(value)
})
