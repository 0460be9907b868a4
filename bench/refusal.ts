// npm run bench:refusal [-- --rounds 300]
// How long what was revoked is still taken, from one process to another: two processes of the product on one Postgres that waits for
// its disk. An admin ends a program's grant at the first; the program asks both, one request after the other, until it is refused.
import { Agent, get } from 'node:http'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import pg from 'pg'
import { newTokens } from '../lib/authserver/tokens.ts'
import { newId } from '../lib/security/ids.ts'
import { hash, randomToken } from '../lib/security/secrets.ts'
import { startThrowAway } from '../scripts/lib/database.mjs'
import { buildApp, bundleServer, generateClient } from '../scripts/lib/prepare.mjs'
import { freePort, stopOnSignals } from '../scripts/lib/processes.mjs'
import { step } from '../scripts/lib/progress.mjs'
import { applyMigrations } from '../scripts/migrate.mjs'
import { afterwards, cleanUp, durable, settingsOf, startProduct } from './product.ts'

const { rounds: asked } = parseArgs({ options: { rounds: { type: 'string', default: '300' } } }).values
const rounds = Number(asked)
if (!(rounds > 0)) throw new Error('--rounds is a number above 0')
const warmUp = 20

type Grant = { id: string; access: string }

/** So many that no limit of a person is ever reached. */
const people = 40

/** Admins with a session each, and a grant of a program for each round, of one of them after the other. */
async function seed(owner: pg.Client, origin: string): Promise<{ cookies: string[]; grants: Grant[] }> {
  const admins = Array.from({ length: people }, () => ({ user: newId('user'), session: randomToken() }))
  const users = admins.map(({ user }) => user)
  await owner.query(`SELECT set_config('app.tenant_id', 'ten_bench', false)`)
  await owner.query(
    `INSERT INTO "user" (id, issuer, subject, name, email, created_at)
     SELECT id, 'http://localhost:9', id, 'An admin', NULL, now() FROM unnest($1::text[]) id`,
    [users],
  )
  await owner.query(`INSERT INTO tenant (id, slug, name, created_at) VALUES ('ten_bench', 'bench', 'Bench', now())`)
  await owner.query(
    `INSERT INTO member (tenant_id, user_id, role, status, created_at)
     SELECT 'ten_bench', id, 'owner', 'active', now() FROM unnest($1::text[]) id`,
    [users],
  )
  await owner.query(
    `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
     SELECT 'ses_' || user_id, hash, user_id, now(), now(), now(), now() + interval '1 day' FROM unnest($1::text[], $2::bytea[]) s(user_id, hash)`,
    [users, admins.map(({ session }) => Buffer.from(hash(session)))],
  )
  await owner.query(
    `INSERT INTO api_client (id, tenant_id, name, authentication, grant_types, scopes, created_at)
     VALUES ('cli_bench', 'ten_bench', 'Bench', 'none', '{device_code}', '{tenant:read}', now())`,
  )
  const made = Array.from({ length: rounds + warmUp }, () => ({ id: newId('grant'), ...newTokens() }))
  await owner.query(
    `WITH given AS (SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[]) AS g(id, access, user_id)),
     kept AS (INSERT INTO oauth_grant (tenant_id, id, user_id, client_id, scopes, resource, generations, last_used_at, created_at)
       SELECT 'ten_bench', id, user_id, 'cli_bench', '{tenant:read}', $4, '{0,0,0,0,0}', now(), now() FROM given)
     INSERT INTO access_token (hash, tenant_id, grant_id, scopes, resource, generations, created_at, expires_at)
       SELECT access, 'ten_bench', id, '{tenant:read}', $4, '{0,0,0,0,0}', now(), now() + interval '1 hour' FROM given`,
    [
      made.map(({ id }) => id),
      made.map(({ hashes }) => Buffer.from(hashes.access)),
      made.map((_, at) => users[at % people]),
      origin,
    ],
  )
  await owner.query('ANALYZE')
  return {
    cookies: admins.map(({ session }) => `__Host-valetkey-session=${session}`),
    grants: made.map(({ id, access }) => ({ id, access: access.reveal() })),
  }
}

async function main() {
  await generateClient()
  await bundleServer()
  await buildApp()
  const database = await step('Starting a database', () => startThrowAway(durable))
  afterwards(database.stop)
  await applyMigrations(database.ownerUrl)
  const settings = settingsOf(database.appUrl, await freePort(undefined))
  const beside = { ...settings, PORT: String(await freePort(undefined)) }
  await step('Starting two processes', () => Promise.all([startProduct(settings), startProduct(beside)]))
  const owner = new pg.Client({ connectionString: database.ownerUrl })
  await owner.connect()
  afterwards(() => owner.end())
  const origin = settings.VALETKEY_URL
  const { cookies, grants } = await seed(owner, origin)

  const agent = new Agent({ keepAlive: true })
  /** What a process says of a token. Each is asked at its own port by the one name that both have. */
  const ask = (port: string, access: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${access}`, host: new URL(origin).host }
      const asked = get({ host: '127.0.0.1', port, path: '/api/v1/me', headers, agent }, (response) => {
        response.resume().once('end', () => resolve(response.statusCode ?? 0))
      })
      asked.once('error', reject)
    })
  const revoke = async (grant: string, cookie: string): Promise<void> => {
    const headers = {
      cookie,
      origin,
      'content-type': 'application/json',
      'x-valetkey': '1',
      'sec-fetch-site': 'same-origin',
    }
    const body = JSON.stringify({ grants: [grant], reason: 'bench' })
    const response = await fetch(`${origin}/api/v1/tenants/bench/revocations`, { method: 'POST', headers, body })
    if (!response.ok) throw new Error(`${response.status} ${(await response.text()).slice(0, 300)}`)
    await response.arrayBuffer()
  }

  const refusedAfter: number[] = []
  const answeredAfter: number[] = []
  let takenAfterwards = 0
  for (const [at, { id, access }] of grants.entries()) {
    let answered = Number.POSITIVE_INFINITY
    const untilRefused = async (port: string): Promise<number> => {
      for (;;) {
        const sent = performance.now()
        const status = await ask(port, access)
        if (status === 401) return performance.now()
        if (status !== 200) throw new Error(`/api/v1/me answered ${status}`)
        if (sent > answered) takenAfterwards += 1
        // Without a pause the callers would take the processor from what they measure.
        await pause(2)
      }
    }
    for (const port of [settings.PORT, beside.PORT]) {
      const status = await ask(port, access)
      if (status !== 200) throw new Error(`/api/v1/me answered ${status}`)
    }
    const asking = [settings.PORT, beside.PORT].map(untilRefused)
    const begun = performance.now()
    await revoke(id, cookies[(at + 1) % people] ?? '')
    answered = performance.now()
    const refused = Math.max(...(await Promise.all(asking)))
    if (at < warmUp) continue
    answeredAfter.push(answered - begun)
    refusedAfter.push(refused - begun)
  }

  agent.destroy()
  const place = (all: number[], part: number) =>
    all.toSorted((a, b) => a - b)[Math.min(all.length - 1, Math.floor(all.length * part))] ?? 0
  const say = (what: string, all: number[]) =>
    console.log(`  ${what.padEnd(44)}p50 ${place(all, 0.5).toFixed(1)} ms, p99 ${place(all, 0.99).toFixed(1)} ms`)
  console.log()
  say('its admin has the answer', answeredAfter)
  say('refused by both processes (goal p99 50)', refusedAfter)
  console.log(`  taken although it was sent after that answer: ${takenAfterwards} (goal 0)`)
}

stopOnSignals(cleanUp)
main()
  .catch((error: unknown) => {
    console.error(error)
    process.exitCode = 1
  })
  .finally(cleanUp)
