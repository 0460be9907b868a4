// What doctor finds, on machines and at servers that are as wrong as real ones.
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { withLock } from '../../cli/src/lock.ts'
import { type Machine, type RunOptions, startMachine } from '../support/bare-machine.ts'
import { selfSigned } from '../support/certificate.ts'

type Finding = { check: string; state: string; what: string; fix: string | null }

let machine: Machine
let home: string
const servers: Server[] = []
vi.setConfig({ testTimeout: 30_000 })

beforeEach(async () => {
  machine = await startMachine()
  home = join(machine.home, '.config/valetkey')
})
afterEach(async () => {
  for (const server of servers.splice(0)) server.close()
  await machine.stop()
})

const listen = async (server: Server): Promise<number> => {
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  return (server.address() as AddressInfo).port
}

async function examine(args: string[], options?: RunOptions) {
  const { code, stdout, stderr } = await machine.run(['doctor', '--json', ...args], options)
  expect(stderr).toBe('')
  const { findings } = JSON.parse(stdout) as { findings: Finding[] }
  for (const { state, fix } of findings) expect(fix === null).toBe(state === 'ok')
  const found = (check: string) => findings.filter((finding) => finding.check === check)
  return { code, found, state: (check: string) => found(check).map(({ state }) => state) }
}

/** Answers like Valetkey at its own address. */
const valetkey =
  (origin: () => string, date?: string): RequestListener =>
  (request, response) => {
    if (date) response.setHeader('Date', date)
    const server = origin()
    response.setHeader('Content-Type', 'application/json')
    response.end(
      request.url === '/api/health'
        ? '{"status":"ok"}'
        : JSON.stringify({
            issuer: server,
            token_endpoint: `${server}/oauth/token`,
            device_authorization_endpoint: `${server}/oauth/device_authorization`,
          }),
    )
  }

async function secure({ end }: { end?: string } = {}) {
  const { key, cert } = selfSigned('localhost', { isAuthority: true, ...(end && { end }) })
  let origin = ''
  const port = await listen(
    createTlsServer(
      { key, cert },
      valetkey(() => origin),
    ),
  )
  origin = `https://localhost:${port}`
  const ca = join(machine.home, 'ca.pem')
  await writeFile(ca, cert)
  return { origin, ca, port }
}

async function plain(listener: (origin: () => string) => RequestListener): Promise<string> {
  let origin = ''
  const port = await listen(createHttpServer(listener(() => origin)))
  origin = `http://localhost:${port}`
  return origin
}

it('a machine with nothing kept, and a server that is well', async () => {
  const { code, state, found } = await examine(['--server', await plain((origin) => valetkey(origin))])
  expect(code).toBe(0)
  for (const check of ['node', 'files', 'accounts', 'locks', 'server', 'proxy', 'tls', 'clock', 'answer'])
    expect([check, ...state(check)]).toEqual([check, 'ok'])
  expect(found('answer')[0]?.what).toContain('Valetkey')
})

it('a CA that is not known fails, with who signed, until its file is given', async () => {
  const { origin, ca } = await secure()
  const without = await examine(['--server', origin])
  expect([without.code, ...without.state('tls')]).toEqual([10, 'fail'])
  expect(without.found('tls')[0]).toMatchObject({
    what: expect.stringMatching(/DEPTH_ZERO_SELF_SIGNED_CERT.*signed by localhost, until 2099-12-31/),
    fix: expect.stringContaining('--ca-file'),
  })
  const given = await examine(['--server', origin, '--ca-file', ca])
  expect([given.code, ...given.state('tls'), ...given.state('answer')]).toEqual([0, 'ok', 'ok'])
})

it('a certificate that ends soon warns, one that has ended fails', async () => {
  const inDays = (days: number) =>
    new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')
  const soon = await secure({ end: inDays(5) })
  const { code, found } = await examine(['--server', soon.origin, '--ca-file', soon.ca])
  expect([code, found('tls')[0]?.state, found('tls')[0]?.what]).toEqual([
    0,
    'warn',
    expect.stringMatching(/ends in \d days/),
  ])
  const over = await secure({ end: inDays(-5) })
  const ended = await examine(['--server', over.origin, '--ca-file', over.ca])
  expect([ended.code, ended.found('tls')[0]?.what]).toEqual([10, expect.stringContaining('CERT_HAS_EXPIRED')])
})

it('a proxy that is set is used for the handshake too, and NO_PROXY is kept', async () => {
  const { origin, ca, port } = await secure()
  const through: string[] = []
  const proxy = createHttpServer()
  proxy.on('connect', (request, socket) => {
    through.push(request.url ?? '')
    const onward = connect(port, 'localhost', () => {
      socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    for (const end of [onward, socket]) end.on('error', () => {})
  })
  const address = `http://user:not-to-be-shown@localhost:${await listen(proxy)}`
  const given = ['--server', origin, '--ca-file', ca]
  const used = await examine(given, { env: { HTTPS_PROXY: address } })
  expect([used.code, ...used.state('tls'), ...used.state('answer')]).toEqual([0, 'ok', 'ok'])
  expect(new Set(through)).toEqual(new Set([`localhost:${port}`]))
  expect(through.length).toBeGreaterThan(1)
  expect(JSON.stringify(used.found('proxy'))).not.toContain('not-to-be-shown')
  through.length = 0
  const passed = await examine(given, { env: { HTTPS_PROXY: address, NO_PROXY: 'localhost' } })
  expect([passed.code, through]).toEqual([0, []])
  const bad = await examine(given, { env: { HTTPS_PROXY: 'proxy:3128:x' } })
  expect([bad.code, ...bad.state('proxy')]).toEqual([10, 'fail'])
})

it.each([
  [40, 'warn', 0],
  [-40, 'warn', 0],
  [600, 'fail', 10],
])('a clock that is %i s off', async (seconds, state, code) => {
  const date = new Date(Date.now() - seconds * 1000).toUTCString()
  const result = await examine(['--server', await plain((origin) => valetkey(origin, date))])
  expect([result.code, ...result.state('clock')]).toEqual([code, state])
  expect(result.found('clock')[0]?.what).toMatch(seconds > 0 ? /ahead of/ : /behind/)
})

it.each<[string, () => RequestListener, RegExp]>([
  ['a page', () => (_, response) => response.end('<h1>Sign in</h1>'), /not Valetkey/],
  [
    'a redirect',
    () => (_, response) => response.writeHead(302, { location: 'https://sso.example/' }).end(),
    /sends elsewhere/,
  ],
  ['another address', () => valetkey(() => 'https://valetkey.example'), /calls itself https:\/\/valetkey\.example/],
  ['trouble', () => (_, response) => response.writeHead(503).end(), /HTTP 503/],
])('what answers with %s is not taken for it', async (_, listener, what) => {
  const { code, found } = await examine(['--server', await plain(listener)])
  expect([code, found('answer')[0]?.what]).toEqual([10, expect.stringMatching(what)])
})

it('nothing that listens, and a name that does not exist', async () => {
  const probe = createHttpServer()
  const port = await listen(probe)
  await new Promise((resolve) => probe.close(resolve))
  const { code, found } = await examine(['--server', `http://localhost:${port}`])
  expect([code, found('answer')[0]?.what]).toEqual([10, expect.stringContaining('ECONNREFUSED')])
  const nowhere = await examine(['--server', 'https://valetkey.invalid'])
  expect([nowhere.code, nowhere.state('tls')]).toEqual([10, ['fail']])
  const none = await examine([])
  expect([none.code, ...none.state('server')]).toEqual([0, 'warn'])
})

it('what others could read or change fails, with the command that ends it', async () => {
  await mkdir(home, { recursive: true, mode: 0o700 })
  await writeFile(join(home, 'accounts.json'), '{"version":1,"default":null,"accounts":{}}', { mode: 0o600 })
  await chmod(join(home, 'accounts.json'), 0o644)
  const { code, found } = await examine([])
  expect([code, found('files')[0]?.fix]).toEqual([10, `chmod 600 ${join(home, 'accounts.json')}`])
})

it('a file that is broken, a keychain that is not there and a lock are named', async () => {
  await mkdir(home, { recursive: true, mode: 0o700 })
  await writeFile(join(home, 'accounts.json'), '{"version":', { mode: 0o600 })
  expect((await examine([])).state('accounts')).toEqual(['fail'])
  await writeFile(join(home, 'accounts.json'), '{"version":1,"default":null,"accounts":{}}')
  const { code, found } = await examine([], { env: { VALETKEY_VAULT: 'macos' } })
  expect([code, found('keychain')[0]?.what]).toEqual([10, expect.stringContaining('macos')])
  const { signal } = new AbortController()
  const held = await withLock(join(home, 'locks/accounts'), { signal }, () => examine([]))
  expect(held.found('locks')[0]).toMatchObject({ state: 'warn', fix: `If it does not finish: kill ${process.pid}` })
  expect((await examine([])).state('locks')).toEqual(['ok'])
})

it('the test value is removed again', async () => {
  expect((await examine([])).found('keychain')[0]?.what).toContain('keeps, gives back and removes')
  expect(await readFile(join(home, 'credentials.json'), 'utf8')).toBe('{}\n')
})

it('settings: only the names there are, only what they can be, and they count', async () => {
  await mkdir(home, { recursive: true, mode: 0o700 })
  const account = {
    server: 'https://vk.example',
    person: 'ada',
    scopes: [],
    signed_in_at: '',
    vault: 'file',
    over: null,
  }
  const accounts = Object.fromEntries(
    ['acme', 'other'].map((tenant) => [`https://vk.example/t/${tenant}`, { ...account, tenant }]),
  )
  const file = join(home, 'accounts.json')
  await writeFile(file, JSON.stringify({ version: 1, default: 'https://vk.example/t/acme', accounts }), { mode: 0o600 })
  const codes = async (...lines: string[]) => {
    const ended = []
    for (const line of lines) ended.push((await machine.run(line.split(' '))).code)
    return ended
  }
  expect(
    await codes(
      'config set colour red',
      'config get toString',
      'config set vault nowhere',
      'config set default https://vk.example/t/none',
      'config set default https://vk.example',
      'config get vault',
    ),
  ).toEqual([2, 2, 2, 3, 0, 5])
  expect(await codes('config set default https://vk.example/t/other', 'config set vault file')).toEqual([0, 0])
  expect(JSON.parse((await machine.run(['config', 'list', '--json'])).stdout)).toEqual({
    default: 'https://vk.example/t/other',
    vault: 'file',
  })
  expect((await machine.run(['config', 'get', 'default'])).stdout).toBe('https://vk.example/t/other\n')
  expect(JSON.parse((await machine.run(['link', '--json'])).stdout)).toMatchObject({ tenant: 'other' })
  expect(await codes('config unset vault', 'config unset default', 'link')).toEqual([0, 0, 2])
  expect((await machine.run(['config', 'path'])).stdout).toBe(`${home}\n`)
  expect(JSON.parse(await readFile(file, 'utf8')).accounts).toEqual(accounts)
}, 60_000)
