// Our clock and that of the real server, two minutes apart. Ours is moved.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { checkProvider } from '../../lib/broker/check.ts'
import { freshTokens } from '../../lib/broker/refresh/refresh.ts'
import { rowOf } from '../support/connection.ts'
import { type AtKeycloak, startAtKeycloak } from '../support/keycloak-broker.ts'
import { type SigninAtKeycloak, startSigninAtKeycloak } from '../support/keycloak-signin.ts'

const ways = [
  [120, 'behind'],
  [-120, 'ahead of'],
] as const

describe('a provider', () => {
  let at: AtKeycloak
  let moved = 0
  const move = async (seconds: number) => {
    await at.broker.advance(seconds - moved)
    moved = seconds
  }
  const clockOf = async (id: string) =>
    (await checkProvider(at.broker.ctx, at.owner, id)).lines.find((line) => line.id === 'clock')
  beforeAll(async () => {
    at = await startAtKeycloak()
    // As short as some realms have it: an ID token that is over by our clock before it comes.
    await at.realm.change({ accessTokenLifespan: 45 })
  })
  afterEach(() => move(0))
  afterAll(() => at?.stop())

  it.each(ways)(
    'J-07 RR-10: with a clock that is %i s off its connections go on, and its check says that the server is %s us, though no answer of Keycloak names a time',
    async (seconds, word) => {
      const { key, made } = await at.linked('alice')
      await move(seconds)
      await at.expire(key)
      expect(await freshTokens(at.broker.ctx, key)).toMatchObject({ version: 2, degraded: false })
      expect(await rowOf(at.broker, key)).toMatchObject({ status: 'linked', cause: null })
      expect(await clockOf(made.id)).toMatchObject({
        state: 'attention',
        seen: expect.stringMatching(`^Its clock is (2 minutes|1[012]\\d seconds) ${word} ours`),
      })
    },
  )
})

describe('sign-in', () => {
  let at: SigninAtKeycloak
  beforeAll(async () => {
    at = await startSigninAtKeycloak()
  })
  afterAll(() => at?.stop())
  afterEach(() => at.signin.setClock(0))
  const alarms = () =>
    at.signin.logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ alarm }) => alarm)

  it.each([
    [120, '/', 'the clock of the identity provider is behind ours'],
    [-120, '/signin?error=clocks_differ', 'sign-in failed'],
  ])(
    'J-07: with a clock that is %i s off it leads to %s, and the log has an alarm with the difference',
    async (seconds, location, msg) => {
      await at.signin.setClock(seconds)
      at.signin.logged.length = 0
      expect(await at.signIn('alice')).toMatchObject({ location })
      expect(alarms()).toMatchObject([{ msg }])
      expect(Math.abs(Number(alarms()[0]?.differenceSeconds) + seconds)).toBeLessThan(20)
    },
  )
})
