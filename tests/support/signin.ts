import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { approve } from '../../demo/browser.ts'
import { startDemo } from '../../demo/index.ts'
import { parseConfig } from '../../lib/config.ts'
import { type Context, createContext, putContext } from '../../lib/context.ts'
import { handleAuth } from '../../lib/http/signin.ts'
import { createLog } from '../../lib/log.ts'
import { createTestDatabase } from './database.ts'
import { demoKeys } from './key-pairs.ts'

export const origin = 'http://localhost:3999'
export const sessionCookie = '__Host-valetkey-session'
const secret = () => randomBytes(32).toString('base64url')

/** Sign-in on a database and an identity provider of its own, over real sockets; the product is called as a function. */
export async function startSignin(settings: Record<string, string> = {}) {
  const database = await createTestDatabase()
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  let offsetSeconds = 0
  const now = () => Date.now() + offsetSeconds * 1000
  const callback = `${origin}/api/auth/callback/signin`
  const demo = await startDemo({
    signinClient: { id: 'valetkey-signin', secret: 'signin-client-secret', redirectUris: [callback] },
    stackClient: { id: 'valetkey', secret: 'stack-client-secret', redirectUris: [`${origin}/oauth/callback/demo`] },
    ticketsClient: { id: 'tickets', secret: 'tickets-secret', redirectUris: [`${origin}/oauth/callback/tickets`] },
    now,
    keys: demoKeys,
  })
  const logged: string[] = []
  const environment = {
    NODE_ENV: 'test',
    VALETKEY_URL: origin,
    DATABASE_URL: database.appUrl,
    VALETKEY_KEYS: `k1:${secret()}`,
    VALETKEY_SECRET: secret(),
    VALETKEY_SIGNIN_ISSUER: demo.issuer,
    VALETKEY_SIGNIN_CLIENT_ID: 'valetkey-signin',
    VALETKEY_SIGNIN_CLIENT_SECRET: 'signin-client-secret',
    VALETKEY_OPERATORS: 'acct-3001',
    VALETKEY_LOG: 'debug',
    ...settings,
  }
  const makeContext = (changes: Record<string, string> = {}): Promise<Context> => {
    const config = parseConfig({ ...environment, ...changes })
    return createContext(config, {
      now: () => new Date(now()),
      log: createLog(config, { write: (line: string) => void logged.push(line) }),
    })
  }
  const ctx = await makeContext()
  const running = new Set<Promise<unknown>>()
  const inBackground = ctx.background
  ctx.background = (name, work) =>
    inBackground(name, () => {
      const run = work()
      running.add(run)
      return run
    })
  putContext(ctx)

  const events = async (action: string) => {
    const sql = `SELECT set_config('app.tenant_id', 'instance', false)`
    await owner.query(sql)
    const text = `SELECT body FROM audit_event WHERE tenant_id = 'instance' AND body->>'action' = $1 ORDER BY id`
    return (await owner.query<{ body: Record<string, unknown> }>(text, [action])).rows.map((row) => row.body)
  }

  return {
    ctx,
    demo,
    owner,
    logged,
    makeContext,
    browser: () => makeBrowser(),
    /** Events of the instance's own chain. */
    events,
    sessions: async () => (await owner.query<{ id: string; user_id: string }>('SELECT * FROM session')).rows,
    users: async () =>
      (await owner.query<{ id: string; issuer: string; subject: string; email: string }>('SELECT * FROM "user"')).rows,
    /** How often the identity provider's token endpoint was called. */
    tokenCalls: () => demo.ledger.requests.filter((entry) => entry.path === '/idp/token').length,
    /** Resolves when nothing runs in the background any more. */
    settled: async () => void (await Promise.allSettled(running)),
    /** Every row of every table, as text. */
    everything: async () => {
      await owner.query(`SELECT set_config('app.tenant_id', 'instance', false)`)
      const tables = await owner.query<{ name: string }>(
        `SELECT format('%I', relname) AS name FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`,
      )
      const texts: string[] = []
      for (const { name } of tables.rows) {
        const { rows } = await owner.query<{ text: string }>(`SELECT one::text AS text FROM ${name} one`)
        texts.push(...rows.map(({ text }) => text))
      }
      return texts.join('\n')
    },
    /** Sets every clock this many seconds ahead: the product's, the database's and the identity provider's. */
    async setClock(seconds: number) {
      offsetSeconds = seconds
      await owner.query('DELETE FROM vk.clock')
      await owner.query('INSERT INTO vk.clock VALUES ($1)', [seconds])
    },
    async stop() {
      await ctx.close()
      await owner.end()
      await demo.close()
      await database.drop()
    },
  }
}

export type Signin = Awaited<ReturnType<typeof startSignin>>
export type Browser = ReturnType<typeof makeBrowser>

/** A browser as far as cookies and our own forms go. */
export function makeBrowser(cookies = new Map<string, string>()) {
  const fetch = async (path: string, init: RequestInit & { headers?: Record<string, string> } = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...init.headers }
    const answer = await handleAuth(new Request(new URL(path, origin), { ...init, headers }))
    for (const line of answer.headers.getSetCookie()) keep(cookies, line)
    return answer
  }
  const post = (path: string, form: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    fetch(path, { method: 'POST', body: new URLSearchParams(form), headers: { origin, ...headers } })

  /** Presses the button; answers the address that the identity provider is asked at. */
  const start = async (form: Record<string, string> = {}, path = '/api/auth/signin/signin') => {
    const answer = await post(path, form)
    const url = /^0;url=(.*)$/.exec(answer.headers.get('refresh') ?? '')?.[1]
    if (!url) throw new Error(`no way on: ${answer.status} ${answer.headers.get('location')}`)
    return url
  }
  /** Presses the button and picks an account there; answers the address that leads back, not yet followed. */
  const approach = async (
    account: string,
    { deny = false, form = {}, path }: { deny?: boolean; form?: Record<string, string>; path?: string } = {},
  ) => approve(await start(form, path), { account, deny })

  return {
    cookies,
    fetch,
    post,
    start,
    approach,
    session: () => cookies.get(sessionCookie),
    /** A copy with the same cookies, as a thief or a second tab has it. */
    copy: () => makeBrowser(new Map(cookies)),
    signIn: async (account: string, form: Record<string, string> = {}) => fetch(await approach(account, { form })),
    /** Confirms who they are by signing in again. */
    confirm: async (account: string, form: Record<string, string> = {}) =>
      fetch(await approach(account, { form, path: '/api/auth/confirm' })),
    signOut: () => post('/api/auth/signout'),
    headers: () => new Headers({ cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') }),
  }
}

function keep(cookies: Map<string, string>, line: string): void {
  const [pair = '', ...attributes] = line.split('; ')
  const at = pair.indexOf('=')
  const gone = attributes.some((one) => /^max-age=0$/i.test(one))
  if (gone) cookies.delete(pair.slice(0, at))
  else cookies.set(pair.slice(0, at), pair.slice(at + 1))
}
