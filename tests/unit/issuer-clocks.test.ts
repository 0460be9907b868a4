import { expect, it } from 'vitest'
import { type IssuerClocks, noteClock } from '../../lib/security/issuer-clocks.ts'

const now = () => new Date('2026-05-01T12:00:00Z')
const seconds = now().getTime() / 1000
const idToken = (claims: unknown) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

it('J-07: the last ID token of a host tells its clock', () => {
  const issuerClocks: IssuerClocks = new Map()
  for (const ahead of [-7, 130]) noteClock({ issuerClocks, now }, 'idp.example', idToken({ iat: seconds + ahead }))
  expect([...issuerClocks]).toEqual([['idp.example', 130]])
})

it.each(['', 'a.b.c', 'e30', idToken(null), idToken([]), idToken({}), idToken({ iat: '1' }), idToken({ iat: 1e300 })])(
  'what is no date tells nothing: %j',
  (odd) => {
    const issuerClocks: IssuerClocks = new Map()
    noteClock({ issuerClocks, now }, 'idp.example', odd)
    expect(issuerClocks.size).toBe(0)
  },
)

it('no more hosts are remembered than a thousand, the last ones', () => {
  const issuerClocks: IssuerClocks = new Map()
  for (let index = 0; index < 1_005; index += 1)
    noteClock({ issuerClocks, now }, `${index}.example`, idToken({ iat: seconds }))
  expect(issuerClocks.size).toBe(1_000)
  expect(issuerClocks.has('1004.example')).toBe(true)
})
