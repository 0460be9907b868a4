// The product as people start it, with somebody signed in and something of everything there: what programs are let loose on.
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { request } from 'undici'
import { approve } from '../../demo/browser.ts'

const root = resolve(import.meta.dirname, '../..')
const readyMilliseconds = 240_000

type Answer = { status: number; location: string | undefined; refresh: string | undefined; body: string }

/** One pretend browser at the product. */
export function createBrowser(origin: string) {
  const jar = new Map<string, string>()
  const cookie = () => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')

  async function send(method: 'GET' | 'POST', url: string, type?: string, content?: string): Promise<Answer> {
    const own = { origin, 'sec-fetch-site': 'same-origin', 'x-valetkey': '1', 'content-type': type }
    const headers = type === undefined ? { 'sec-fetch-mode': 'navigate', 'sec-fetch-site': 'cross-site' } : own
    const {
      statusCode,
      headers: answered,
      body,
    } = await request(url, {
      method,
      headers: { ...headers, cookie: cookie() },
      ...(content === undefined ? {} : { body: content }),
    })
    for (const line of [answered['set-cookie'] ?? []].flat()) {
      const [name = '', value = ''] = line.split(';')[0]?.split(/=(.*)/s) ?? []
      if (/max-age=0/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    return {
      status: statusCode,
      location: answered.location?.toString(),
      refresh: answered.refresh?.toString(),
      body: await body.text(),
    }
  }

  return {
    jar,
    visit: (url: string) => send('GET', url),
    /** An act of our own page. @throws Error on a refusal */
    async act<T>(path: string, body: object): Promise<T> {
      const answer = await send('POST', `${origin}/api/v1${path}`, 'application/json', JSON.stringify(body))
      if (answer.status >= 400) throw new Error(`${path} answered ${answer.status}: ${answer.body}`)
      return JSON.parse(answer.body) as T
    },
    async read<T>(path: string): Promise<T> {
      return JSON.parse((await send('GET', `${origin}/api/v1${path}`)).body) as T
    },
    async signIn(account: string): Promise<void> {
      const form = 'application/x-www-form-urlencoded'
      const { refresh } = await send('POST', `${origin}/api/auth/signin/signin`, form, 'return_to=/')
      const location = await approve(/url=(.*)$/.exec(refresh ?? '')?.[1] ?? '', { account })
      const { status, body } = await send('GET', location)
      if (status !== 303) throw new Error(`signing in answered ${status}: ${body}`)
    },
    async link(tenant: string, account: string, project: string): Promise<void> {
      const { items } = await this.read<{ items: { id: string }[] }>(`/tenants/${tenant}/providers`)
      const { url } = await this.act<{ url: string }>(`/tenants/${tenant}/attempts`, { provider: items[0]?.id })
      const { location } = await send('GET', await approve(url, { account, project }))
      if (!location?.includes('linked=1')) throw new Error(`linking led to ${location}`)
    },
  }
}

export type Product = {
  origin: string
  /** Gives everybody their counters back: programs make more calls than people. */
  forgetLimits: () => Promise<void>
  /** Lines of the server's log. */
  log: () => string[]
  stop: () => Promise<void>
}

/** Starts it on a port and a data folder of its own, both gone after `stop`. */
export async function startProduct(): Promise<Product> {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-contract-'))
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const child = spawn(process.execPath, ['tests/e2e/serve.mjs'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: {
      ...process.env,
      PORT: String(port),
      VALETKEY_E2E_DATA: folder,
      DEMO_CONTROL_SECRET: randomBytes(24).toString('base64url'),
    },
  })
  const ended = new Promise<void>((done) => child.once('exit', () => done()))
  const stop = async () => {
    child.kill('SIGTERM')
    await ended
  }
  await untilReady(origin, child).catch(async (error: unknown) => {
    await stop()
    throw error
  })
  const { postgres } = JSON.parse(readFileSync(join(folder, 'instance.json'), 'utf8'))
  const database = new pg.Client({
    host: '127.0.0.1',
    port: postgres.port,
    user: 'valetkey_app',
    password: postgres.appPassword,
    database: 'valetkey',
  })
  await database.connect()
  return {
    origin,
    forgetLimits: async () => void (await database.query('DELETE FROM rate_limit')),
    log: () => readFileSync(join(folder, 'server.log'), 'utf8').split('\n').filter(Boolean),
    stop: async () => {
      await database.end()
      await stop()
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}

async function untilReady(origin: string, child: ChildProcess): Promise<void> {
  for (const end = Date.now() + readyMilliseconds; Date.now() < end; ) {
    if (child.exitCode !== null) throw new Error(`the product ended with ${child.exitCode}`)
    const { statusCode } = await request(`${origin}/api/ready`).catch(() => ({ statusCode: 0 }))
    if (statusCode === 200) return
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error('the product did not become ready')
}
