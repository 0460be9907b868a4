// Sign-in at the real server, by every algorithm that it can be told to sign with.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { clients } from '../support/keycloak.ts'
import { type SigninAtKeycloak, startSigninAtKeycloak } from '../support/keycloak-signin.ts'

let at: SigninAtKeycloak
beforeAll(async () => {
  at = await startSigninAtKeycloak()
  // Otherwise it makes the key while somebody waits for the first token.
  await at.realm.newKeys('PS256')
})
afterAll(() => at?.stop())
beforeEach(() => {
  // What was published before a test is nothing to the next.
  at.ctx.keySets.clear()
  at.signin.logged.length = 0
})

const signedWith = (alg: string) =>
  at.realm.changeClient(clients.valetkey.client_id, { attributes: { 'id.token.signed.response.alg': alg } })

describe('an ID token', () => {
  it.each(['RS256', 'PS256', 'ES256', 'EdDSA'])('N-18 L-05: signed with %s is taken', async (alg) => {
    await signedWith(alg)
    const { location, session } = await at.signIn('alice')
    expect(location).toBe('/')
    expect(session).toMatchObject({
      issuer: at.realm.issuer,
      subject: (await at.realm.user('alice')).id,
      name: 'Alice Manager',
      email: 'alice@example.com',
    })
  })

  it.each(['ES384', 'HS256'])('N-18 L-05: signed with %s, which is not on our list, is refused', async (alg) => {
    await signedWith(alg)
    expect(await at.signIn('alice')).toMatchObject({ location: '/signin?error=signin_failed', session: undefined })
    expect(at.failures()).toMatchObject([{ stage: 'id_token' }])
  })
})

describe('a person', () => {
  beforeAll(() => signedWith('RS256'))

  it('L-06: who comes back in the name of another server is refused before the code is used', async () => {
    const { browser, back } = await at.approach('alice')
    expect(back.searchParams.get('iss')).toBe(at.realm.issuer)
    back.searchParams.set('iss', 'https://evil.example')
    expect(await at.arrive({ browser, back })).toMatchObject({ location: '/signin?error=issuer_mismatch' })
    expect(await at.realm.events('CODE_TO_TOKEN_ERROR')).toEqual([])
  })

  it('who is disabled does not get in, and nobody without PKCE comes as far as the form', async () => {
    await expect(at.signIn('dave')).rejects.toThrow(/disabled/i)
    const { visit } = at.realm.person('alice')
    const browser = at.signin.browser()
    const url = new URL(await browser.start())
    url.searchParams.delete('code_challenge')
    url.searchParams.delete('code_challenge_method')
    const answer = await visit(url.href)
    expect(new URL(answer.headers.get('location') ?? '').searchParams.get('error')).toBe('invalid_request')
  })
})
