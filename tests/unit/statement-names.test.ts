// Which statements of Prisma's get a name, and so a plan that their session keeps.
import { expect, it } from 'vitest'
import { statementNames } from '../../lib/store/database.ts'

const named = (state: { isTried?: boolean; isOff?: boolean } = {}) => {
  const nameOf = statementNames({ isTried: true, isOff: false, onUnnamed: () => {}, ...state })
  return (what: string) => nameOf({ sql: `SELECT "public"."project"."${what}"` })
}

it('one that comes again and again gets one, always the same and nobody else’s', () => {
  const nameOf = named()
  expect([1, 2, 3, 4].map(() => nameOf('1'))).toEqual(['', '', 'prisma_0', 'prisma_0'])
  expect([1, 2, 3].map(() => nameOf('2'))).toEqual(['', '', 'prisma_1'])
  expect(nameOf('1')).toBe('prisma_0')
})

it('ones of which none comes again get none, however many they are', () => {
  const nameOf = named()
  expect(Array.from({ length: 10_000 }, (_, n) => nameOf(String(n))).filter(Boolean)).toEqual([])
})

it('no more get one than a session can keep, and those that have one keep it', () => {
  const nameOf = named()
  const thrice = (n: number) => [1, 2, 3].map(() => nameOf(String(n))).at(-1)
  expect(new Set(Array.from({ length: 1_000 }, (_, n) => thrice(n)).filter(Boolean)).size).toBe(400)
  expect(nameOf('7')).toBe('prisma_7')
  expect(nameOf('700')).toBe('')
})

it('nothing has one before it is known that they are kept, or once one was refused', () => {
  for (const state of [{ isTried: false }, { isOff: true }]) {
    const nameOf = named(state)
    expect([1, 2, 3, 4].map(() => nameOf('1'))).toEqual(['', '', '', ''])
  }
})

it('our own raw statements have none, but for what opens a transaction', () => {
  const nameOf = statementNames({ isTried: true, isOff: false, onUnnamed: () => {} })
  const third = (sql: string) => [1, 2, 3].map(() => nameOf({ sql })).at(-1)
  expect(third('SELECT id FROM member WHERE $1::text IS NULL OR user_id = $1')).toBe('')
  expect(third('BEGIN')).toBe('prisma_0')
  expect(third(`SELECT set_config('app.tenant_id', $1, true)`)).toBe('prisma_1')
})
