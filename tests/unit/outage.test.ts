// What counts as a database that is away (503), as opposed to one that refuses (500): H-02.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import pg from 'pg'
import { describe, expect, it } from 'vitest'
import { BrokerError } from '../../lib/errors.ts'
import { isOutage, Prisma } from '../../lib/store/database.ts'

const coded = (code: string, more: object = {}) => Object.assign(new Error('some text'), { code, ...more })
const ofServer = (code: string) => Object.assign(new pg.DatabaseError('some text', 1, 'error'), { code })
/** As Prisma throws it: a code of its own, what the driver said below. */
const ofPrisma = (code: string, cause: object) =>
  new Prisma.PrismaClientKnownRequestError('Database error. Code: `?`', {
    code,
    clientVersion: '7',
    meta: { driverAdapterError: Object.assign(new Error('kind'), { name: 'DriverAdapterError', cause }) },
  })
const driver = (cause: object) => Object.assign(new Error('kind'), { name: 'DriverAdapterError', cause })

describe('H-02: a database that is away', () => {
  it.each(
    '08000 08001 08003 08004 08006 08P01 53000 53100 53200 53300 57014 57P01 57P02 57P03 57P05 58000 58030 25006 25P03 25P04 40001 40P01 55P03 28P01 28000 3D000'.split(
      ' ',
    ),
  )('the server says %s, to pg and below any code of Prisma’s', (state) => {
    expect(isOutage(ofServer(state))).toBe(true)
    const below = { kind: 'postgres', code: state, originalCode: state, message: 'some text' }
    for (const code of ['P2010', 'P2039', 'P2034']) expect(isOutage(ofPrisma(code, below)), code).toBe(true)
    expect(isOutage(driver(below))).toBe(true)
    expect(isOutage(new BrokerError('internal', { cause: ofServer(state) }))).toBe(true)
  })

  it.each(
    'ECONNREFUSED ECONNRESET EPIPE ETIMEDOUT EHOSTUNREACH ENETUNREACH ENOTFOUND EAGAIN EAI_AGAIN P1001 P1002 P1008 P1011 P1017 P2024 P2028 P2034 P2037'.split(
      ' ',
    ),
  )('Node or Prisma says %s', (code) => {
    expect(isOutage(coded(code))).toBe(true)
    expect(isOutage(new AggregateError([coded(code)]))).toBe(true)
  })

  it('its socket is not there', () => expect(isOutage(coded('ENOENT', { syscall: 'connect' }))).toBe(true))

  it.each('DatabaseNotReachable ConnectionClosed SocketTimeout TlsConnectionError TooManyConnections'.split(' '))(
    'the driver says %s and nothing else',
    (kind) => expect(isOutage(driver({ kind }))).toBe(true),
  )
})

describe('a database that refuses is not away', () => {
  it.each('22P02 22P05 23503 23505 23514 42501 42601 42703 42P01 25P02 26000 42P05 P0001 XX000 0A000'.split(' '))(
    '%s',
    (state) => {
      expect(isOutage(ofServer(state))).toBe(false)
      expect(isOutage(ofPrisma('P2010', { kind: 'postgres', originalCode: state }))).toBe(false)
    },
  )

  it.each('P2002 P2003 P2021 P2025 EACCES ENOENT'.split(' '))('%s', (code) => expect(isOutage(coded(code))).toBe(false))

  it('a file that is not there', () => expect(isOutage(coded('ENOENT', { syscall: 'open' }))).toBe(false))

  it('the server’s word counts before any text, however it reads', () => {
    const refused = Object.assign(ofServer('42601'), { message: 'Connection terminated unexpectedly' })
    expect(isOutage(refused)).toBe(false)
    expect(isOutage(ofPrisma('P2010', { kind: 'postgres', originalCode: '22P02', message: 'timeout expired' }))).toBe(
      false,
    )
  })

  it.each([undefined, null, 'Connection terminated', {}, new Error('connection refused by the rules of this tenant')])(
    '%s',
    (thrown) => expect(isOutage(thrown)).toBe(false),
  )
})

it('H-02: pg’s own errors have no code: each text of the installed version is known, as an outage or as a fault of ours', () => {
  const require = createRequire(import.meta.url)
  const read = (name: string, file: string) => readFileSync(join(dirname(require.resolve(name)), file), 'utf8')
  const source =
    ['client.js', 'connection.js', 'query.js'].map((file) => read('pg', file)).join() + read('pg-pool', 'index.js')
  const texts = [...source.matchAll(/new Error\(\s*(['`])(.*?)\1/g)].map(([, , text = '']) => text)
  expect(texts.length).toBeGreaterThan(20)
  const faults =
    /cannot reuse a client|not supported|already been released|unexpected condition|Called end on pool|either text or a name|must be unique|must be an array/
  expect(texts.filter((text) => isOutage(new Error(text)) === faults.test(text))).toEqual([])
})
