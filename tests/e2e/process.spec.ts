// The server as the process that it is: how it starts, what it writes, what it does without a database or a place for its
// log, and how it ends.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { expect, test } from 'playwright/test'
import { birthOf, freePort, waitFor } from '../../scripts/lib/processes.mjs'
import { type OwnCluster, startOwnCluster } from '../support/own-cluster.ts'
import { type Product, seedPerson, settings, startProduct, watch } from './product.ts'

test.describe.configure({ mode: 'serial' })

let cluster: OwnCluster
let cookie: string
/** Keys that the database knows by now. */
let keys: Record<string, string>
const running: Product[] = []

test.beforeAll(async () => {
  test.setTimeout(120_000)
  cluster = await startOwnCluster()
  cookie = await seedPerson(cluster.ownerUrl)
  const { VALETKEY_KEYS = '', VALETKEY_SECRET = '' } = await settings(cluster.appUrl)
  keys = { VALETKEY_KEYS, VALETKEY_SECRET }
})
test.afterEach(() => Promise.all(running.splice(0).map((product) => product.stop())))
test.afterAll(() => cluster?.drop())

async function start(options: Partial<Parameters<typeof startProduct>[0]> = {}): Promise<Product> {
  const product = await startProduct({ databaseUrl: cluster.appUrl, ...options, env: { ...keys, ...options.env } })
  running.push(product)
  return product
}

async function asOwner(...statements: string[]): Promise<void> {
  const owner = new pg.Client({ connectionString: cluster.ownerUrl })
  await owner.connect()
  for (const statement of statements) await owner.query(statement)
  await owner.end()
}

type Line = { level: number; time: string; msg: string; [name: string]: unknown }
/** Every line that a process wrote. @throws on one that is no JSON */
const linesOf = (product: Product): Line[] =>
  product
    .said()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
const said = (product: Product, msg: string) => linesOf(product).filter((line) => line.msg.startsWith(msg))

test('every line of the log is JSON, of Next and Node too: start, failures, a page that cannot be made, stop', async () => {
  const canary = 'canary5f1e9d3ab2c74de8a0'
  // What libraries and Node do in a process, at a signal.
  const noise = `process.on('SIGUSR2', () => {
    process.emitWarning('old way, token=${canary}', 'DeprecationWarning', 'DEP9999')
    console.error('failed with Bearer ${canary} at https://user:${canary}@host/?code=${canary}')
    console.log('two\\nlines', { password: '${canary}' })
    process.stderr.write('straight to the stream\\n')
    setTimeout(() => { throw new TypeError('thrown with ${canary}') })
    Promise.reject(new Error('a rejection that holds ${canary}'))
  })`
  const product = await start({ env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(noise)}` } })
  await product.until('/api/ready', 200)
  expect((await product.ask('/t/acme/projects', { cookie })).status).toBe(200)
  await asOwner('ALTER TABLE project RENAME TO project_away')
  const failed = await product.ask('/t/acme/projects', { cookie })
  const refused = await product.ask('/api/v1/tenants/acme/projects', { cookie })
  await asOwner('ALTER TABLE project_away RENAME TO project')
  expect([failed.status, refused.status]).toEqual([500, 500])
  product.child.kill('SIGUSR2')
  await expect.poll(() => said(product, 'unhandled promise rejection').length).toBe(1)
  await expect.poll(() => said(product, 'uncaught exception').length).toBe(1)
  expect((await product.ask('/api/ready')).status).toBe(200)
  product.child.kill('SIGTERM')
  expect(await product.ended()).toMatchObject({ code: 0 })

  const lines = linesOf(product)
  expect(lines.length).toBeGreaterThan(8)
  for (const line of lines)
    expect(line).toMatchObject({ level: expect.any(Number), time: expect.any(String), msg: expect.any(String) })
  expect(product.said()).not.toContain(canary)
  const [page] = said(product, 'page failed')
  expect(page).toMatchObject({ level: 50, page: '/t/[tenant]/projects', problem: 'internal' })
  expect(failed.text).toContain(String(page?.digest))
  expect(said(product, 'old way')).toMatchObject([
    { level: 40, from: 'node', err: { type: 'DeprecationWarning', reason: 'DEP9999' } },
  ])
  expect(said(product, 'failed with Bearer [redacted]')).toMatchObject([{ level: 50, from: 'console' }])
  expect(said(product, 'straight to the stream')).toMatchObject([{ level: 50, from: 'console' }])
  expect(said(product, 'two\nlines')).toHaveLength(1)
})

test('settings that are missing are one JSON line that names them all, and exit code 1', async () => {
  const product = await start({ env: { VALETKEY_SECRET: '', VALETKEY_SIGNIN_ISSUER: '' } })
  expect(await product.ended()).toMatchObject({ code: 1 })
  const problems = ['VALETKEY_SECRET is missing', 'VALETKEY_SIGNIN_ISSUER is missing']
  expect(linesOf(product)).toMatchObject([{ level: 60, msg: 'Valetkey cannot start', problems }])
})

test('a database that was not migrated, or not far enough, is one sentence and exit code 1; H-06: a newer one is none', async () => {
  test.slow()
  const sentence = /^The database (.*): run npm run db:migrate with DATABASE_MIGRATE_URL set, then start again\.$/
  const refused = async (databaseUrl: string) => {
    const product = await start({ databaseUrl })
    expect(await product.ended()).toMatchObject({ code: 1 })
    const fatal = linesOf(product).filter(({ level }) => level === 60)
    expect(fatal).toHaveLength(1)
    return sentence.exec(fatal[0]?.msg ?? '')?.[1]
  }
  const empty = await startOwnCluster({ isMigrated: false })
  expect(await refused(empty.appUrl)).toBe('has not been migrated')
  await empty.drop()

  await asOwner(`UPDATE _prisma_migrations SET migration_name = 'away' WHERE migration_name = '20261121040000_gauges'`)
  expect(await refused(cluster.appUrl)).toBe('lacks 20261121040000_gauges')
  await asOwner(`UPDATE _prisma_migrations SET migration_name = '20261121040000_gauges' WHERE migration_name = 'away'`)

  await asOwner(`INSERT INTO _prisma_migrations (id, checksum, migration_name, finished_at, applied_steps_count)
    VALUES ('newer', '', '20990101000000_newer', now(), 1)`)
  const product = await start()
  await product.until('/api/ready', 200)
})

test('H-01 H-02: a server that starts while Postgres is away waits, alive and not ready, says so once, and goes on by itself', async () => {
  test.slow()
  await cluster.kill()
  const product = await start()
  await product.until('/api/health', 200)
  await expect.poll(() => said(product, 'waiting for the database').length).toBe(1)
  // Several tries later.
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  const ready = await product.ask('/api/ready')
  expect([ready.status, ready.headers['retry-after']]).toEqual([503, '5'])
  const page = await product.ask('/t/acme/projects', { cookie })
  expect([page.status, page.headers['retry-after'], page.headers['set-cookie']]).toEqual([503, '5', undefined])
  // Nothing is served before the keys are known to be the database's, also what needs neither.
  expect((await product.ask('/signin')).status).toBe(503)
  expect((await product.ask('/api/health')).status).toBe(200)
  await cluster.start()
  await product.until('/api/ready', 200)
  expect((await product.ask('/t/acme/projects', { cookie })).status).toBe(200)
  expect(said(product, 'waiting for the database')).toHaveLength(1)
  expect(said(product, 'the database answers: start continues')).toHaveLength(1)
})

test('H-02: Postgres killed under load: pages and programs get 503 with Retry-After, never 500, and the session lives on', async () => {
  test.slow()
  const product = await start()
  await product.until('/api/ready', 200)
  const paths = [
    '/t/acme/projects',
    '/api/v1/me',
    '/t/acme/tokens',
    '/t/acme/activity',
    '/api/v1/tenants/acme/connections',
    '/',
  ]
  const answers: { path: string; status: number; retry: unknown; cookies: unknown }[] = []
  let isOver = false
  const load = Array.from({ length: 16 }, async (_, index) => {
    for (let turn = index; !isOver; turn += 1) {
      const path = paths[turn % paths.length] ?? ''
      const { status, headers } = await product.ask(path, { cookie })
      answers.push({ path, status, retry: headers['retry-after'], cookies: headers['set-cookie'] })
      await new Promise((resolve) => setTimeout(resolve, 60))
    }
  })
  const count = (...statuses: number[]) => answers.filter(({ status }) => statuses.includes(status)).length
  const more = async (statuses: number[], by: number) => {
    const before = count(...statuses)
    expect(await waitFor(async () => count(...statuses) >= before + by, 30_000)).toBe(true)
  }
  for (let kill = 0; kill < 2; kill += 1) {
    await more([200, 307], 60)
    await cluster.kill()
    await more([503], 40)
    await cluster.start()
  }
  await more([200, 307], 40)
  isOver = true
  await Promise.all(load)
  test
    .info()
    .annotations.push({ type: 'answers', description: `200: ${count(200)}, 307: ${count(307)}, 503: ${count(503)}` })
  // The first page leads a signed-in person on to their tenant.
  expect(answers.filter(({ status }) => ![200, 307, 503].includes(status))).toEqual([])
  for (const { path, retry, cookies } of answers.filter(({ status }) => status === 503))
    expect([path, retry, cookies]).toEqual([path, '5', undefined])
  expect((await product.ask('/api/v1/me', { cookie })).status).toBe(200)
  expect(linesOf(product).filter(({ msg }) => /uncaught|unhandled/.test(msg))).toEqual([])
})

test('H-05: SIGTERM: not ready at once, requests still answered, then the port closes and the process ends', async () => {
  const product = await start({ env: { VALETKEY_DRAIN_SECONDS: '2' } })
  await product.until('/api/ready', 200)
  const began = performance.now()
  product.child.kill('SIGTERM')
  await product.until('/api/ready', 503, 1)
  expect((await product.ask('/api/v1/me', { cookie })).status).toBe(200)
  expect((await product.ask('/t/acme/projects', { cookie })).status).toBe(200)
  expect(await product.ended()).toMatchObject({ code: 0, signal: null })
  const seconds = (performance.now() - began) / 1000
  expect(seconds).toBeGreaterThanOrEqual(2)
  expect(seconds).toBeLessThan(6)
  await expect(product.ask('/api/health')).rejects.toThrow(/ECONNREFUSED/)
})

test.describe('a log that cannot be written', () => {
  /** Asks until lines were dropped, all answered; then stops the process. How many seconds that took. */
  async function answersAndEnds(product: Product & { metricsPort: string }, asks: number): Promise<number> {
    await product.until('/api/ready', 200)
    let isTold = false
    for (let done = 0; done < asks && !isTold; done += 40) {
      const some = await Promise.all(Array.from({ length: 40 }, () => product.ask('/api/health')))
      expect(some.filter(({ status }) => status !== 200)).toEqual([])
      isTold = (await product.ask('/api/ready')).text.includes('log_lines_dropped')
    }
    const ready = await product.ask('/api/ready')
    expect([ready.status, JSON.parse(ready.text)]).toEqual([
      200,
      { status: 'ready', log_lines_dropped: expect.any(Number) },
    ])
    const told = await fetch(`http://127.0.0.1:${product.metricsPort}/metrics`).then((answer) => answer.text())
    expect(Number(/^valetkey_log_lines_dropped_total (\d+)$/m.exec(told)?.[1])).toBeGreaterThan(0)
    const began = performance.now()
    product.child.kill('SIGTERM')
    expect(await product.ended()).toMatchObject({ code: 0, signal: null })
    return (performance.now() - began) / 1000
  }
  const withMetrics = async (stdio: Parameters<typeof startProduct>[0]['stdio']) => {
    const port = String(await freePort(undefined))
    const product = await start({ stdio, env: { VALETKEY_METRICS_PORT: port } })
    return Object.assign(product, { metricsPort: port })
  }

  test('H-05: output on a full disk: lines are dropped and counted, requests answered, SIGTERM ends it', async () => {
    const full = openSync('/dev/full', 'w')
    const product = await withMetrics(['ignore', full, full])
    closeSync(full)
    expect(await answersAndEnds(product, 400)).toBeLessThan(5)
  })

  test('H-05: output into a closed pipe: the same', async () => {
    const product = await withMetrics(['ignore', 'pipe', 'pipe'])
    product.child.stdout?.destroy()
    product.child.stderr?.destroy()
    expect(await answersAndEnds(product, 400)).toBeLessThan(5)
  })

  test('H-05: output into a pipe that nobody reads: the same, once what may wait is full', async () => {
    test.slow()
    const product = await withMetrics(['ignore', 'pipe', 'pipe'])
    product.child.stdout?.pause()
    product.child.stderr?.pause()
    expect(await answersAndEnds(product, 12_000)).toBeLessThan(5)
  })
})

test.describe('npm start', () => {
  /** What the data folder's lock names: every process of the run. */
  const processes = (folder: string): { name: string; pid: number; birth: string }[] => {
    const { pid, birth, children } = JSON.parse(readFileSync(join(folder, 'lock'), 'utf8'))
    return [{ name: 'the starter', pid, birth }, ...children]
  }
  const areGone = async (all: ReturnType<typeof processes>) =>
    (await Promise.all(all.map(async ({ pid, birth }) => (await birthOf(pid)) !== birth))).every(Boolean)

  for (const [title, signal] of [
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGINT'],
    ['SIGHUP, which npm does not pass on,', 'SIGHUP'],
    ['SIGKILL', 'SIGKILL'],
  ] as const)
    test(`${title} to npm ends the server, the demo and the database, and leaves nothing behind`, async () => {
      test.slow()
      const folder = mkdtempSync(join(tmpdir(), 'valetkey-start-'))
      const port = await freePort(undefined)
      const { PATH, HOME } = process.env
      const env = { PATH, HOME, NODE_ENV: 'production' as const, PORT: String(port), VALETKEY_DATA_DIR: folder }
      const product = watch(spawn('npm', ['start'], { env, stdio: ['ignore', 'pipe', 'pipe'] }), port)
      running.push(product)
      await product.until('/api/ready', 200, 90)
      const all = processes(folder)
      expect(all.map(({ name }) => name)).toEqual(['the starter', 'Postgres', 'The demo upstream', 'The server'])
      const began = performance.now()
      product.child.kill(signal)
      // Whoever runs npm in a container takes its end for everybody's.
      if (signal === 'SIGTERM' || signal === 'SIGINT') await product.ended()
      const ended = performance.now()
      expect(await waitFor(() => areGone(all), 15_000)).toBe(true)
      if (signal === 'SIGTERM' || signal === 'SIGINT') expect(performance.now() - ended).toBeLessThan(200)
      const seconds = (performance.now() - began) / 1000
      test.info().annotations.push({ type: 'seconds', description: seconds.toFixed(2) })
      await product.ended()
      await expect(product.ask('/api/health')).rejects.toThrow(/ECONNREFUSED/)
      rmSync(folder, { recursive: true, force: true })
    })

  test('SIGKILL to the test runner ends what it served, and leaves nothing behind', async () => {
    test.slow()
    const folder = mkdtempSync(join(tmpdir(), 'valetkey-start-'))
    const port = await freePort(undefined)
    const { PATH, HOME } = process.env
    const env = { PATH, HOME, NODE_ENV: 'production' as const, PORT: String(port), VALETKEY_E2E_DATA: folder }
    // In the runner's place: it starts the server and does nothing else.
    const runner = `require('node:child_process').spawn('node', ['tests/e2e/serve.mjs'], { stdio: 'inherit' })`
    const product = watch(spawn('node', ['-e', runner], { env, stdio: ['ignore', 'pipe', 'pipe'] }), port)
    running.push(product)
    await product.until('/api/ready', 200, 90)
    const all = processes(folder)
    product.child.kill('SIGKILL')
    expect(await waitFor(() => areGone(all), 15_000)).toBe(true)
    expect(await waitFor(async () => !existsSync(folder), 5_000)).toBe(true)
  })
})
