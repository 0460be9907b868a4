// The command's way to a server: its own CA, and a proxy that the environment names.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type Machine, startMachine } from '../support/bare-machine.ts'
import { selfSigned } from '../support/certificate.ts'

const me = {
  id: 'usr_1',
  name: 'A build',
  email: null,
  issuer: 'https://issuer.example',
  operator: false,
  signed_in_at: '2026-01-01T00:00:00Z',
  expires_at: '2026-01-01T01:00:00Z',
  tenants: [{ slug: 'acme', name: 'Acme', role: 'member' }],
}
let machine: Machine
let scratch: string
let server: string
let proxy: string
let ca: string
const tunnels: string[] = []
const open: Server[] = []
const sockets = new Set<Socket>()

const listening = async (one: Server): Promise<number> => {
  open.push(one)
  one.on('connection', (socket) => sockets.add(socket.on('close', () => sockets.delete(socket))))
  await new Promise<void>((resolve) => one.listen(0, 'localhost', resolve))
  return (one.address() as AddressInfo).port
}

beforeAll(async () => {
  machine = await startMachine()
  scratch = await mkdtemp(join(tmpdir(), 'valetkey-network-'))
  ca = join(scratch, 'ca.pem')
  const { key, cert } = selfSigned('localhost', { isAuthority: true })
  await writeFile(ca, cert)
  const secure = createSecureServer({ key, cert }, (request, response) => {
    const isOurs = request.headers.authorization === 'Bearer vk_at_of_a_build'
    response.writeHead(isOurs ? 200 : 401, { 'content-type': 'application/json' }).end(JSON.stringify(me))
  })
  server = `https://localhost:${await listening(secure)}`
  const between = createServer()
  between.on('connect', ({ url = '' }, socket: Socket) => {
    tunnels.push(url)
    const [host, port] = url.split(':')
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    sockets.add(onward)
    for (const one of [socket, onward]) one.on('error', () => {})
  })
  proxy = `http://localhost:${await listening(between)}`
})
beforeEach(() => {
  tunnels.length = 0
})
afterAll(async () => {
  for (const socket of sockets) socket.destroy()
  for (const one of open) one.close()
  await machine.stop()
  await rm(scratch, { recursive: true, force: true })
})

const whoami = (args: string[], env: Record<string, string> = {}) =>
  machine.run(['whoami', '--json', ...args], {
    env: { VALETKEY_SERVER: server, VALETKEY_TOKEN: 'vk_at_of_a_build', ...env },
  })

it('a certificate that nobody vouches for is an error that says so, and the token is not sent', async () => {
  const { code, stderr } = await whoami([])
  expect([code, JSON.parse(stderr).error]).toEqual([
    6,
    expect.objectContaining({ code: 'no_answer', message: expect.stringMatching(/CERT|SIGNED/) }),
  ])
})

it('--ca-file vouches for it, beside what Node was told of', async () => {
  expect(JSON.parse((await whoami(['--ca-file', ca])).stdout)).toMatchObject({ tenant: 'acme', name: 'A build' })
  const other = join(scratch, 'other.pem')
  await writeFile(other, selfSigned('other.example', { isAuthority: true }).cert)
  expect((await whoami(['--ca-file', other])).code).toBe(6)
  expect((await whoami(['--ca-file', other], { NODE_EXTRA_CA_CERTS: ca })).code).toBe(0)
  expect((await whoami(['--ca-file', join(scratch, 'none.pem')])).code).toBe(2)
})

it('the proxy of the environment is on the way, and NO_PROXY takes it off', async () => {
  const host = new URL(server).host
  expect((await whoami(['--ca-file', ca], { HTTPS_PROXY: proxy })).code).toBe(0)
  expect(new Set(tunnels)).toEqual(new Set([host]))
  const before = tunnels.length
  expect((await whoami([], { https_proxy: proxy, NODE_EXTRA_CA_CERTS: ca })).code).toBe(0)
  expect(tunnels.length).toBeGreaterThan(before)
  tunnels.length = 0
  expect((await whoami(['--ca-file', ca], { HTTPS_PROXY: proxy, NO_PROXY: 'localhost' })).code).toBe(0)
  expect(tunnels).toEqual([])
})

it('--verbose shows requests, and no token', async () => {
  const { stderr } = await whoami(['--ca-file', ca, '--verbose'])
  expect(stderr).toMatch(/^GET https:\/\/localhost:\d+\/api\/v1\/me -> 200/m)
  expect(stderr).not.toContain('vk_at_')
})
