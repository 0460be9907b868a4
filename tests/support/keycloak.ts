import { readFile } from 'node:fs/promises'
import { inject } from 'vitest'
import { newId } from '../../lib/security/ids.ts'
import type { Address } from './keycloak-server.ts'

/** Which kind of upstream the tests make a provider of. */
export const KIND = 'keycloak'

/** A client of tests/keycloak/realm.json. */
export type Client = { client_id: string; client_secret?: string }
const clientOf = (client_id: string): Required<Client> => ({
  client_id,
  client_secret: `a-test-secret-of-${client_id}`,
})

/** Who is in tests/keycloak/realm.json. */
export const clients = {
  /** Ours: code with PKCE, offline access, standard token exchange. */
  valetkey: clientOf('valetkey'),
  /** A resource server. Scope `orders` makes it an audience. */
  ordersApi: clientOf('orders-api'),
  /** Gets tokens in its own name alone. */
  robot: clientOf('robot'),
  /** Without a secret. */
  publicApp: { client_id: 'public-app' },
}
/** alice has the roles orders-clerk and orders-manager, bob orders-clerk, dave is disabled. */
export type Username = 'alice' | 'bob' | 'dave'

type Json = Record<string, unknown>
type Answer = { status: number; body: Json }

/** Calls to the admin API below `/admin/realms`, as the admin. */
function adminOf({ origin, adminPassword }: Address) {
  let known: { token: string; until: number } | undefined
  async function token(): Promise<string> {
    // It lives for a minute.
    if (known && Date.now() < known.until) return known.token
    const answer = await fetch(`${origin}/realms/master/protocol/openid-connect/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'password',
        client_id: 'admin-cli',
        username: 'admin',
        password: adminPassword,
      }),
    })
    const { access_token } = (await answer.json()) as { access_token: string }
    known = { token: access_token, until: Date.now() + 30_000 }
    return access_token
  }
  return async function admin<T = unknown>(path: string, init: { method?: string; json?: unknown } = {}): Promise<T> {
    const { json, method = json === undefined ? 'GET' : 'POST' } = init
    const answer = await fetch(`${origin}/admin/realms${path}`, {
      method,
      headers: { authorization: `Bearer ${await token()}`, 'content-type': 'application/json' },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const text = await answer.text()
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`)
    return (text ? JSON.parse(text) : undefined) as T
  }
}

/**
 * A realm of a test file's own: tests/keycloak/realm.json under a name that no other has, at the server of this run unless
 * there is one of the test's own. Its people and clients are those of the file; whatever a test changes is its own affair.
 * `origin`: where it says that it is, if something stands in front of the server.
 */
export async function makeRealm({ server = inject('keycloak'), origin = server.origin }: RealmOptions = {}) {
  const admin = adminOf(server)
  const name = `realm-${newId('provider').toLowerCase().replace(/\W/g, '-')}`
  const text = await readFile(new URL('../keycloak/realm.json', import.meta.url), 'utf8')
  await admin('', { json: { ...JSON.parse(text), realm: name, attributes: { frontendUrl: origin } } })
  const issuer = `${origin}/realms/${name}`

  const providerType = 'org.keycloak.keys.KeyProvider'
  let newest = 0

  async function one<T extends Json>(kind: 'clients' | 'users', by: string): Promise<T & { id: string }> {
    const query = kind === 'clients' ? `clientId=${by}` : `username=${by}&exact=true`
    const [found] = await admin<(T & { id: string })[]>(`/${name}/${kind}?${query}`)
    if (!found) throw new Error(`no ${by} among the ${kind}`)
    return found
  }

  /** A request as a client makes it; one without a secret names itself. */
  async function asClient(endpoint: string, client: Client, fields: Record<string, string>): Promise<Answer> {
    const { client_id, client_secret } = client
    const answer = await fetch(`${issuer}/protocol/openid-connect/${endpoint}`, {
      method: 'POST',
      headers: client_secret ? { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` } : {},
      body: new URLSearchParams({ ...fields, ...(!client_secret && { client_id }) }),
    })
    const body = await answer.text()
    return { status: answer.status, body: body ? (JSON.parse(body) as Json) : {} }
  }

  return {
    name,
    origin,
    issuer,
    /** The admin API below this realm: `/users`, `/clients` …; nothing is the realm itself. */
    admin: <T = unknown>(path: string, init?: { method?: string; json?: unknown }) => admin<T>(`/${name}${path}`, init),
    /** Changes settings of the realm: `{ revokeRefreshToken: false }`. */
    change: (settings: Json) => admin(`/${name}`, { method: 'PUT', json: settings }),
    client: (clientId: string) => one('clients', clientId),
    /** Another client like `valetkey`, for a provider of its own. */
    async addClient(changes: Json = {}): Promise<Required<Client>> {
      const client = { ...clients.valetkey, client_id: newId('provider') }
      const { id: _, ...known } = await one('clients', 'valetkey')
      await admin(`/${name}/clients`, {
        json: { ...known, ...changes, clientId: client.client_id, secret: client.client_secret },
      })
      return client
    },
    /** Changes a client; `attributes` are merged. */
    async changeClient(clientId: string, { attributes, ...settings }: Json & { attributes?: Json }) {
      const known = await one<{ attributes?: Json }>('clients', clientId)
      const json = { ...known, ...settings, attributes: { ...known.attributes, ...attributes } }
      await admin(`/${name}/clients/${known.id}`, { method: 'PUT', json })
    },
    /** From now on the realm signs with another key of this algorithm; those before are still published. */
    async newKeys(algorithm: string) {
      newest += 1
      const { id: parentId } = await admin<{ id: string }>(`/${name}`)
      const config = { priority: [String(100 + newest)], algorithm: [algorithm] }
      await admin(`/${name}/components`, {
        json: { name: `key-${newest}`, parentId, providerId: 'rsa-generated', providerType, config },
      })
    },
    user: (username: string) => one('users', username),
    async changeUser(username: Username, settings: Json) {
      const known = await one('users', username)
      await admin(`/${name}/users/${known.id}`, { method: 'PUT', json: { ...known, ...settings } })
    },
    /** What it noted, newest first: LOGIN, REFRESH_TOKEN, REVOKE_GRANT, TOKEN_EXCHANGE …; those that failed end in _ERROR. */
    events: (type: string) =>
      admin<{ type: string; clientId?: string; userId?: string; error?: string; details?: Json }[]>(
        `/${name}/events?type=${type}`,
      ),
    asClient,
    token: (client: Client, fields: Record<string, string>) => asClient('token', client, fields),
    /** Whether a token still counts, and for what (RFC 7662). */
    introspect: async (client: Client, token: string, token_type_hint = 'access_token') =>
      (await asClient('token/introspect', client, { token, token_type_hint })).body as Json & { active: boolean },
    person: (username: Username) => person(origin, username),
    remove: () => admin(`/${name}`, { method: 'DELETE' }),
  }
}

type RealmOptions = { server?: Address; origin?: string }
export type Realm = Awaited<ReturnType<typeof makeRealm>>

/** Somebody and their browser, which stays signed in. */
function person(origin: string, username: Username) {
  const cookies = new Map<string, string>()
  async function visit(url: string, form?: Record<string, string>): Promise<Response> {
    const answer = await fetch(url, {
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      redirect: 'manual',
      ...(form && { method: 'POST', body: new URLSearchParams(form) }),
    })
    for (const line of answer.headers.getSetCookie()) {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      if (/max-age=0/i.test(line)) cookies.delete(pair.slice(0, at))
      else cookies.set(pair.slice(0, at), pair.slice(at + 1))
    }
    return answer
  }
  return {
    username,
    visit,
    /** Goes where they are sent, signs in where they are asked to, and answers where that leads: back to the client. */
    async approve(url: string): Promise<string> {
      let answer = await visit(url)
      for (let step = 0; step < 10; step += 1) {
        const location = answer.headers.get('location')
        const text = await answer.text()
        if (location !== null) {
          const next = new URL(location, origin)
          if (next.origin !== origin) return next.href
          answer = await visit(next.href)
          continue
        }
        const action = /<form[^>]*\saction="([^"]+)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
        // A client that registered itself has to be consented to.
        const code = /name="code" value="([^"]+)"/.exec(text)?.[1]
        if (action && code && text.includes('name="accept"')) {
          answer = await visit(new URL(action, origin).href, { code, accept: 'Yes' })
          continue
        }
        if (answer.status !== 200 || !action || !text.includes('name="password"') || step > 5)
          throw new Error(`${username} cannot go on at ${url}: ${answer.status} ${wordsOf(text)}`)
        answer = await visit(action, { username, password: `a password of ${username}`, credentialId: '' })
      }
      throw new Error(`${username} is sent around in circles from ${url}`)
    },
  }
}

/** What a page says, for the message of a test that fails. */
const wordsOf = (page: string) =>
  page
    .replace(/<(script|style)[\s\S]*?<\/\1>|<[^>]+>/gi, ' ')
    .replace(/\s+/g, ' ')
    .slice(0, 500)
