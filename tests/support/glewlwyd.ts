import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exportJWK, generateKeyPair } from 'jose'
import { findGlewlwyd } from '../../scripts/lib/glewlwyd.mjs'
import { freePort, waitFor } from '../../scripts/lib/processes.mjs'

/** Glewlwyd, or undefined: then what needs it is skipped. */
export const glewlwyd = await findGlewlwyd()

const person = { username: 'somebody', password: 'a password of somebody' }

type Client = { client_id: string; client_secret: string }

/**
 * Glewlwyd, an authorization server written in C, on a loopback port and in a folder of its own. Its OpenID plugin signs with
 * ES256, asks for PKCE, names itself in the authorization response, takes each refresh token once and revokes by RFC 7009.
 * One person, who may have every scope. `scopes`: those beside `openid`.
 */
export async function startGlewlwyd(scopes: string[]) {
  if (!glewlwyd) throw new Error('Glewlwyd is not installed')
  const { program, modules, tables, sqlite } = glewlwyd
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-glewlwyd-'))
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const database = join(folder, 'database')
  const config = join(folder, 'config')
  await promisify(execFile)(sqlite, [database, `.read ${tables}`])
  await writeFile(
    config,
    `port = ${port}
bind_address = "127.0.0.1"
external_url = "${origin}"
login_url = "login.html"
api_prefix = "api"
log_mode = "console"
log_level = "INFO"
cookie_domain = "localhost"
cookie_secure = 0
session_key = "SESSION"
admin_scope = "g_admin"
profile_scope = "g_profile"
user_module_path = "${modules}/user"
client_module_path = "${modules}/client"
user_auth_scheme_module_path = "${modules}/scheme"
plugin_module_path = "${modules}/plugin"
hash_algorithm = "SHA512"
database = { type = "sqlite3" path = "${database}" }
`,
  )
  const child = spawn(program, [`--config-file=${config}`], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] })
  const log: string[] = []
  let problem: Error | undefined
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => log.push(chunk.toString()))
  child.once('error', (error) => {
    problem = error
  })
  const hasEnded = () => problem !== undefined || child.exitCode !== null || child.signalCode !== null
  async function stop() {
    if (!hasEnded()) {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGTERM')
      await ended
    }
    await rm(folder, { recursive: true, force: true })
  }

  /** A browser at the server: its cookies, and no redirect followed by itself. */
  function visitor() {
    let cookie = ''
    return async (path: string, init: { method?: string; json?: unknown; status?: number } = {}) => {
      const { json, status = 200, method = json === undefined ? 'GET' : 'POST' } = init
      const answer = await fetch(new URL(path, origin), {
        method,
        headers: { cookie, ...(json !== undefined && { 'content-type': 'application/json' }) },
        redirect: 'manual',
        ...(json !== undefined && { body: JSON.stringify(json) }),
      })
      if (answer.status !== status)
        throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}\n${log.slice(-20).join('')}`)
      cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? cookie
      return answer
    }
  }

  const isUp = () =>
    fetch(`${origin}/config`).then(
      ({ ok }) => ok,
      () => false,
    )
  if (!(await waitFor(async () => hasEnded() || isUp(), 10_000)) || hasEnded()) {
    await stop()
    throw new Error(`Glewlwyd did not start: ${problem?.message ?? ''}\n${log.join('')}`)
  }

  const issuer = `${origin}/api/oidc`
  const admin = visitor()
  /** Scopes, the person and the plugin, by its API for admins. */
  async function setUp() {
    await admin('/api/auth/', { json: { username: 'admin', password: 'password' } })
    for (const name of scopes)
      await admin('/api/scope/', { json: { name, display_name: name, password_required: false, scheme: {} } })
    const profile = { name: 'Some Body', email: 'somebody@example.com', enabled: true }
    await admin('/api/user/', { json: { ...person, ...profile, scope: ['g_profile', 'openid', ...scopes] } })
    const { privateKey } = await generateKeyPair('ES256', { extractable: true })
    const keys = [{ ...(await exportJWK(privateKey)), kid: 'signing', alg: 'ES256', use: 'sig' }]
    await admin('/api/mod/plugin/', {
      json: {
        module: 'oidc',
        name: 'oidc',
        display_name: 'OpenID Connect',
        enabled: true,
        parameters: {
          iss: issuer,
          'jwks-private': JSON.stringify({ keys }),
          'jwks-show': true,
          'allowed-scope': ['openid', ...scopes],
          'code-duration': 60,
          'access-token-duration': 3600,
          'refresh-token-duration': 86_400,
          'refresh-token-one-use': 'always',
          'auth-type-code-enabled': true,
          'auth-type-code-revoke-replayed': true,
          'auth-type-refresh-enabled': true,
          'auth-type-implicit-enabled': false,
          'pkce-allowed': true,
          'pkce-required': true,
          'oauth-as-iss-id': true,
          'name-claim': 'mandatory',
          'email-claim': 'mandatory',
          'introspection-revocation-allowed': true,
          'introspection-revocation-allow-target-client': true,
        },
      },
    })
  }
  await setUp().catch(async (error: unknown) => {
    await stop()
    throw error
  })

  const asClient = (endpoint: string, { client_id, client_secret }: Client, fields: Record<string, string>) =>
    fetch(`${issuer}/${endpoint}`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
      body: new URLSearchParams(fields),
    })

  return {
    issuer,
    origin,
    /** What it wrote. */
    log: () => log.join(''),
    register: (client: Client & { redirect_uri: string }) =>
      admin('/api/client/', {
        json: {
          ...client,
          redirect_uri: [client.redirect_uri],
          name: client.client_id,
          enabled: true,
          confidential: true,
          // It lets a client revoke only with this one.
          authorization_type: ['code', 'refresh_token', 'client_credentials'],
          token_endpoint_auth_method: ['client_secret_basic'],
          scope: [],
        },
      }),
    /** A token request, as any holder of the client's secret may make it. */
    async token(client: Client, fields: Record<string, string>) {
      const answer = await asClient('token', client, fields)
      const text = await answer.text()
      return { status: answer.status, text, body: (text ? JSON.parse(text) : {}) as Record<string, unknown> }
    },
    /** Whether a token still counts, and for what (RFC 7662). */
    async introspect(client: Client, token: string) {
      const answer = await asClient('introspect', client, { token })
      return (await answer.json()) as { active: boolean; scope?: string }
    },
    /** Plays the person and their browser until they are sent back to the client. `allowed`: the scopes that they agree to. */
    async approve(url: string, allowed = ['openid', ...scopes]): Promise<string> {
      const visit = visitor()
      const asked = await visit(url, { status: 302 })
      const login = new URL(asked.headers.get('location') ?? '', origin)
      const { callback_url: callback, client_id: client } = Object.fromEntries(login.searchParams)
      if (login.origin !== origin || !callback) return login.href
      await visit('/api/auth/', { json: person })
      await visit(`/api/auth/grant/${client}/`, { method: 'PUT', json: { scope: allowed.join(' ') } })
      const back = await visit(`${callback}&g_continue`, { status: 302 })
      return new URL(back.headers.get('location') ?? '', origin).href
    },
    stop,
  }
}

export type Glewlwyd = Awaited<ReturnType<typeof startGlewlwyd>>
