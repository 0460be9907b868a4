// The built server as a process of its own, on a database of the test's own: for what only a real process shows.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { request } from 'node:http'
import pg from 'pg'
import { freePort, hasEnded, waitFor } from '../../scripts/lib/processes.mjs'

const secret = () => randomBytes(32).toString('base64url')

export type Answer = { status: number; headers: Record<string, string | string[] | undefined>; text: string }

export type Product = {
  child: ChildProcess
  port: number
  /** Everything that the process wrote to its standard output and error. */
  said: () => string
  ask(path: string, options?: { cookie?: string; method?: string }): Promise<Answer>
  /** Resolves with the status once the path answers with it. */
  until(path: string, status: number, limitSeconds?: number): Promise<void>
  /** Resolves with code and signal, and with how many milliseconds it took from now. */
  ended(): Promise<{ code: number | null; signal: string | null; after: number }>
  stop(): Promise<void>
}

type Options = {
  databaseUrl: string
  env?: Record<string, string>
  stdio?: SpawnOptions['stdio']
  server?: string
}

/** Settings of a server on a database of somebody's own, sign-in at an issuer that is not there. */
export async function settings(databaseUrl: string): Promise<Record<string, string> & { PORT: string }> {
  const port = await freePort(undefined)
  return {
    NODE_ENV: 'production',
    PORT: String(port),
    VALETKEY_URL: `http://localhost:${port}`,
    DATABASE_URL: databaseUrl,
    VALETKEY_KEYS: `k1:${secret()}`,
    VALETKEY_SECRET: secret(),
    VALETKEY_SIGNIN_ISSUER: 'http://localhost:9',
    VALETKEY_SIGNIN_CLIENT_ID: 'client',
    VALETKEY_SIGNIN_CLIENT_SECRET: 'client-secret',
    VALETKEY_DRAIN_SECONDS: '1',
    NEXT_TELEMETRY_DISABLED: '1',
  }
}

/** Starts the server; it may not be ready yet. */
export async function startProduct({
  databaseUrl,
  env = {},
  stdio = ['ignore', 'pipe', 'pipe'],
  server = 'dist/server.mjs',
}: Options): Promise<Product> {
  const given = { ...(await settings(databaseUrl)), ...env }
  const child = spawn(process.execPath, [server], {
    env: { PATH: process.env.PATH, NODE_ENV: 'production', ...given },
    stdio,
  })
  return watch(child, Number(given.PORT))
}

/** The same for a process that was started otherwise. */
export function watch(child: ChildProcess, port: number): Product {
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (chunk) => {
      said += chunk
    })
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve) =>
    child.once('exit', (code, signal) => resolve({ code, signal })),
  )
  const ask: Product['ask'] = (path, { cookie, method = 'GET' } = {}) =>
    new Promise((resolve, reject) => {
      const headers = { host: `localhost:${port}`, ...(cookie && { cookie }) }
      const asked = request(
        { host: '127.0.0.1', port, path, method, headers, agent: false, timeout: 20_000 },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk) => {
            text += chunk
          })
          response.on('error', reject)
          response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }))
        },
      )
      asked.on('timeout', () => asked.destroy(new Error(`no answer from ${path}`)))
      asked.on('error', reject)
      asked.end()
    })
  return {
    child,
    port,
    said: () => said,
    ask,
    async until(path, status, limitSeconds = 30) {
      const has = () =>
        ask(path).then(
          (answer) => answer.status === status,
          () => false,
        )
      if (!(await waitFor(async () => hasEnded(child) || has(), limitSeconds * 1000, 50)))
        throw new Error(`${path} did not answer ${status}:\n${said}`)
      if (hasEnded(child)) throw new Error(`the process ended:\n${said}`)
    },
    async ended() {
      const began = performance.now()
      return { ...(await exited), after: performance.now() - began }
    },
    async stop() {
      if (hasEnded(child)) return
      child.kill('SIGKILL')
      await exited
    },
  }
}

/** A person with a session, owner of the tenant `acme`, written as the tables' owner. Answers the cookie. */
export async function seedPerson(ownerUrl: string): Promise<string> {
  const token = secret()
  const owner = new pg.Client({ connectionString: ownerUrl })
  await owner.connect()
  try {
    await owner.query(`SELECT set_config('app.tenant_id', 'ten_acme', false)`)
    await owner.query(
      `INSERT INTO "user" (id, issuer, subject, name, created_at) VALUES ('usr_1', 'http://localhost:9', 's', 'A person', now())`,
    )
    await owner.query(`INSERT INTO tenant (id, slug, name, created_at) VALUES ('ten_acme', 'acme', 'Acme', now())`)
    await owner.query(
      `INSERT INTO member (tenant_id, user_id, role, status, created_at) VALUES ('ten_acme', 'usr_1', 'owner', 'active', now())`,
    )
    await owner.query(
      `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
       VALUES ('ses_1', $1, 'usr_1', now(), now(), now(), now() + interval '1 day')`,
      [createHash('sha256').update(token).digest()],
    )
    return `__Host-valetkey-session=${token}`
  } finally {
    await owner.end()
  }
}
