import { putContext } from '../../lib/context.ts'
import { readSession } from '../../lib/http/session.ts'
import { clients, makeRealm, type Realm, type Username } from './keycloak.ts'
import { startSignin } from './signin.ts'

/** Sign-in of an instance whose identity provider is a realm of its own. */
export async function startSigninAtKeycloak({ realm: given }: { realm?: Realm } = {}) {
  const realm = given ?? (await makeRealm())
  const signin = await startSignin()
  const ctx = await signin.makeContext({
    VALETKEY_SIGNIN_ISSUER: realm.issuer,
    VALETKEY_SIGNIN_CLIENT_ID: clients.valetkey.client_id,
    VALETKEY_SIGNIN_CLIENT_SECRET: clients.valetkey.client_secret,
  })
  putContext(ctx)

  /** A browser of ours whose person has signed in there: the way back is not yet followed. */
  async function approach(username: Username, who = realm.person(username)) {
    putContext(ctx)
    const browser = signin.browser()
    const back = new URL(await who.approve(await browser.start()))
    return { browser, back }
  }
  /** Follows the way back: where that leads, and the session that is there now. */
  async function arrive({ browser, back }: Awaited<ReturnType<typeof approach>>) {
    const answer = await browser.fetch(back.pathname + back.search)
    return { location: answer.headers.get('location'), session: await readSession(ctx, browser.headers()) }
  }

  return {
    realm,
    signin,
    ctx,
    approach,
    arrive,
    signIn: async (username: Username) => arrive(await approach(username)),
    /** Lines of the log about sign-ins that failed. */
    failures: () =>
      signin.logged
        .map((line) => JSON.parse(line) as Record<string, unknown>)
        .filter(({ msg }) => msg === 'sign-in failed'),
    async stop() {
      await ctx.close()
      await signin.stop()
      if (!given) await realm.remove()
    },
  }
}

export type SigninAtKeycloak = Awaited<ReturnType<typeof startSigninAtKeycloak>>
