import type { Scope } from '../../lib/actor.ts'
import { answerUrl } from '../../lib/authserver/authorize.ts'
import type { Context } from '../../lib/context.ts'
import type { TestApp } from './app.ts'
import { approveCode, approveDevice } from './programs.ts'

type Person = { app: TestApp; ctx: Context; user: string; scopes: readonly Scope[] }

/** A person of acme who allows whatever a program asks for. `ctx`: of the server that the program has reached. */
export const personOf = ({ app, ctx, user, scopes }: Person) => ({
  allowDevice: (code: string) => approveDevice(app, 'acme', code, { user, scopes }),
  /** What a browser that was sent here comes back with. */
  async allow(url: URL): Promise<URL> {
    const { headers } = await fetch(url, { redirect: 'manual' })
    const request = new URL(headers.get('location') ?? '').pathname.split('/').at(-1) ?? ''
    const text = 'SELECT redirect_uri, state FROM authorization_request WHERE id = $1'
    const [row] = (await app.rows('acme', text, [request])) as { redirect_uri: string; state: string | null }[]
    if (!row) throw new Error(`there is no request at ${headers.get('location')}`)
    const code = await approveCode(app, 'acme', request, { user, scopes })
    return new URL(answerUrl(ctx, { redirectUri: row.redirect_uri, state: row.state }, { code }))
  },
})
