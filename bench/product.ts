// What benches of the whole product share: it is started as `npm start` starts it, beside a database of the bench's own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { randomToken } from '../lib/security/secrets.ts'
import { SERVER_ENV, SERVER_FLAGS, toolEnv } from '../scripts/lib/prepare.mjs'

/** As Postgres is by itself: what was answered has been written. */
export const durable = { fsync: 'on', synchronous_commit: 'on', full_page_writes: 'on', autovacuum: 'on' }

const cleanUps: (() => Promise<unknown>)[] = []
export const afterwards = (work: () => Promise<unknown>): void => void cleanUps.push(work)
export async function cleanUp(): Promise<void> {
  for (const work of cleanUps.splice(0).reverse()) await work()
}

/** What the product is started with. */
export const settingsOf = (databaseUrl: string, port: number) => ({
  NODE_ENV: 'production' as const,
  PORT: String(port),
  VALETKEY_URL: `http://localhost:${port}`,
  DATABASE_URL: databaseUrl,
  VALETKEY_KEYS: `k1:${randomToken()}`,
  VALETKEY_SECRET: randomToken(),
  VALETKEY_SIGNIN_ISSUER: 'http://localhost:9',
  VALETKEY_SIGNIN_CLIENT_ID: 'bench',
  VALETKEY_SIGNIN_CLIENT_SECRET: 'bench',
  VALETKEY_DRAIN_SECONDS: '0',
  // Callers come from many addresses, as they would.
  VALETKEY_TRUSTED_PROXIES: '1',
})
export type Settings = ReturnType<typeof settingsOf>

/** Its log goes nowhere. For a profile: BENCH_NODE_OPTIONS='--cpu-prof --cpu-prof-dir=/tmp/profile'. */
export async function startProduct(settings: Settings): Promise<ChildProcess> {
  const nodeOptions = process.env.BENCH_NODE_OPTIONS?.split(' ') ?? []
  const child = spawn(process.execPath, [...SERVER_FLAGS, ...nodeOptions, 'dist/server.mjs'], {
    env: { ...SERVER_ENV, ...toolEnv(), ...settings },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  afterwards(async () => {
    child.kill('SIGTERM')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  })
  const ended = new AbortController()
  await Promise.race([
    once(child, 'message', { signal: ended.signal }),
    once(child, 'exit', { signal: ended.signal }).then(() => Promise.reject(new Error('the product ended'))),
  ]).finally(() => ended.abort())
  return child
}
