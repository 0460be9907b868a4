// `valetkey credential-helper` as git, docker, kubectl and an MCP client run it: the bundled command, real programs where they
// are installed, and servers that ask the product whether a token stands.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node'
import { McpServer } from '@modelcontextprotocol/server'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { scopes } from '../../lib/actor.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { selfSigned } from '../support/certificate.ts'
import { calledWith, isThere, type Machine, type Ran, startMachine } from '../support/command.ts'
import { answerGit, findGitBackend } from '../support/git-server.ts'
import { ownApisOf, told } from '../support/own-apis.ts'
import { serve } from '../support/served.ts'
import { pointAt, startApi } from '../support/streaming.ts'

const certificate = selfSigned('localhost', { isAuthority: true })

/** A server of this machine, with TLS unless it is said otherwise. `host`: as programs name it. */
async function listen(answer: (request: IncomingMessage, response: ServerResponse) => unknown, secure = true) {
  const server = secure ? https.createServer(certificate, answer) : http.createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  const host = `localhost:${(server.address() as AddressInfo).port}`
  const stop = async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
  return { host, stop }
}

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let api: Awaited<ReturnType<typeof startApi>>
let machine: Machine
let signIn: () => Promise<unknown>
let browser: Awaited<ReturnType<TestApp['signIn']>>
const ca = () => join(machine.home, 'ca.pem')
beforeAll(async () => {
  app = await startTestApp()
  api = await startApi()
  browser = await app.signIn('owner@acme.test')
  const owner = await app.actorOf('owner@acme.test')
  const own = await ownApisOf(app, owner)
  await pointAt(app, owner, '', api.url)
  const linked = { provider: 'Demo tickets', account: 'owner@acme.test', alias: 'code' } as const
  const warehouse = { account: 'owner@acme.test', project: '10231', alias: 'warehouse' } as const
  const projects = [
    own.online.id,
    await app.linkProject(browser, 'acme', linked),
    await app.linkProject(browser, 'acme', warehouse),
  ]
  const { id } = (await app.call<{ id: string }>(browser, 'GET', '/me')).body
  at = await serve(app)
  machine = await startMachine()
  const ceilings = Object.fromEntries(projects.map((one) => [one, { rights: null, proxy: null }]))
  signIn = () => machine.signIn(app, at.origin, { user: id, scopes, ceilings })
  await writeFile(ca(), certificate.cert)
}, 120_000)
afterAll(async () => {
  await machine?.stop()
  await at?.stop()
  await api?.stop()
  await app?.stop()
})
beforeEach(async () => {
  await rm(join(machine.home, 'valetkey'), { recursive: true, force: true })
  await signIn()
})
afterEach(() => app.forgetLimits())

/** Whether a token stands, as a server of its audience asks. */
const stands = async (token: string) => (await told(app, token))?.state === 'live'
const passwordOf = ({ headers }: IncomingMessage) =>
  Buffer.from(headers.authorization?.replace(/^Basic /, '') ?? '', 'base64')
    .toString()
    .split(/:(.*)/s)[1] ?? ''
const issued = async () => (await app.rows('acme', 'SELECT id FROM issued_token')).length
const allow = async (host: string, ...words: string[]) => {
  const said = words.length > 0 ? words : ['--project', 'reports', '--scope', 'reports:read']
  const ran = await machine.valetkey(['credential-helper', 'allow', host, ...said])
  expect(ran).toMatchObject({ code: 0, stderr: '' })
}
/** What is said on the way is no secret; the token is in the vault and nowhere else. */
async function expectKept(token: string) {
  expect(token.length).toBeGreaterThan(20)
  expect(await machine.holding(token)).toEqual(['home/valetkey/credentials.json'])
  expect(await calledWith(token)).toEqual([])
}
const file = (name: string) => readFile(join(machine.home, 'valetkey', name), 'utf8')

describe('git’s protocol', () => {
  const ask = (operation: string, lines: string, options = {}) =>
    machine.valetkey(['credential-helper', 'git', operation], { input: lines, ...options })
  const attributesOf = ({ stdout }: Ran) =>
    Object.fromEntries(
      stdout
        .trimEnd()
        .split('\n')
        .map((line) => line.split(/=(.*)/s)),
    )

  it('get answers a name, the token and its end, and says nothing else', async () => {
    await allow('git.example.com')
    const before = Math.floor(Date.now() / 1000)
    const lines =
      'capability[]=authtype\ncapability[]=state\nprotocol=https\nhost=git.example.com\npath=a.git\nwwwauth[]=Basic\n\n'
    const ran = await ask('get', lines)
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const { username, password, password_expiry_utc: end, ...others } = attributesOf(ran)
    expect([username, others]).toEqual(['oauth2', {}])
    expect(Number(end) - before).toBeGreaterThanOrEqual(3599)
    expect(Number(end) - before).toBeLessThan(3700)
    expect(await stands(password)).toBe(true)
    await expectKept(password)
  })

  it('get answers the same token while it lives, to all who ask at once', async () => {
    await allow('git.example.com')
    const before = await issued()
    const lines = 'protocol=https\nhost=git.example.com\n'
    const all = await Promise.all([1, 2, 3, 4].map(() => ask('get', lines)))
    const again = await ask('get', lines)
    expect(new Set([...all, again].map((ran) => attributesOf(ran).password)).size).toBe(1)
    expect(await issued()).toBe(before + 1)
  })

  it('get does not answer one that was revoked elsewhere', async () => {
    await allow('git.example.com')
    const lines = 'protocol=https\nhost=git.example.com\n'
    const { password } = attributesOf(await ask('get', lines))
    const [row] = await app.rows('acme', 'SELECT id FROM issued_token ORDER BY created_at DESC, id DESC LIMIT 1')
    const headers = { origin: at.origin }
    const revoked = await app.call(browser, 'POST', '/tenants/acme/revocations', { tokens: [row?.id] }, headers)
    expect(revoked.status).toBe(200)
    const next = attributesOf(await ask('get', lines)).password
    expect(next).not.toBe(password)
    expect([await stands(password), await stands(next)]).toEqual([false, true])
  })

  it('erase revokes it, where it is the one that git has tried', async () => {
    await allow('git.example.com')
    const lines = 'protocol=https\nhost=git.example.com\n'
    const { password } = attributesOf(await ask('get', lines))
    const silent = { code: 0, stdout: '', stderr: '' }
    expect(await ask('erase', `${lines}username=oauth2\npassword=another\n`)).toMatchObject(silent)
    expect(await stands(password)).toBe(true)
    expect(await ask('erase', `${lines}username=oauth2\npassword=${password}\n`)).toMatchObject(silent)
    expect(await stands(password)).toBe(false)
    expect(await machine.holding(password)).toEqual([])
    expect(JSON.parse(await file('kept-tokens.json')).tokens).toEqual({})
  })

  it.each([
    ['a host that is not allowed', 'get', 'protocol=https\nhost=evil.example\n'],
    ['a host that ends like one', 'get', 'protocol=https\nhost=notgit.example.com\n'],
    ['a host that begins like one', 'get', 'protocol=https\nhost=git.example.com.evil.example\n'],
    ['another port of it', 'get', 'protocol=https\nhost=git.example.com:8443\n'],
    ['it without TLS', 'get', 'protocol=http\nhost=git.example.com\n'],
    ['it over ssh', 'get', 'protocol=ssh\nhost=git.example.com\n'],
    ['another person there', 'get', 'protocol=https\nhost=git.example.com\nusername=somebody\n'],
    ['nothing', 'get', ''],
    ['store', 'store', 'protocol=https\nhost=git.example.com\nusername=oauth2\npassword=x\n'],
    ['an operation of a newer git', 'dance', 'protocol=https\nhost=git.example.com\n'],
    ['erase of what is not kept', 'erase', 'protocol=https\nhost=git.example.com\n'],
  ])('%s: says nothing, does nothing, and that is no error', async (_, operation, lines) => {
    await allow('git.example.com')
    const before = await issued()
    expect(await ask(operation, lines)).toEqual({ code: 0, signal: null, stdout: '', stderr: '' })
    expect(await issued()).toBe(before)
  })

  it('a path that was allowed is all that is allowed of its host', async () => {
    await allow('git.example.com/team')
    const about = async (path: string) =>
      attributesOf(await ask('get', `protocol=https\nhost=git.example.com\n${path}`)).password !== undefined
    expect([await about('path=team/a.git\n'), await about('path=teamwork/a.git\n'), await about('')]).toEqual([
      true,
      false,
      false,
    ])
  })

  it('a folder allows nothing: what it links is not asked', async () => {
    const folder = join(machine.work, 'hostile')
    await mkdir(join(folder, '.valetkey'), { recursive: true })
    await writeFile(join(folder, '.valetkey/config.json'), JSON.stringify({ server: 'https://evil.example' }))
    await allow('git.example.com')
    const ran = await ask('get', 'protocol=https\nhost=git.example.com\n', { cwd: folder })
    expect(await stands(attributesOf(ran).password)).toBe(true)
  })

  it('where none can be made git is told to ask nobody else', async () => {
    await allow('git.example.com')
    await machine.valetkey(['logout'])
    const ran = await ask('get', 'protocol=https\nhost=git.example.com\n')
    expect([ran.code, ran.stdout]).toEqual([3, 'quit=1\n'])
    expect(ran.stderr).toMatch(/^valetkey: Nobody is signed in/)
  })

  it('signing out forgets what is kept, and it ends', async () => {
    await allow('git.example.com')
    const { password } = attributesOf(await ask('get', 'protocol=https\nhost=git.example.com\n'))
    expect((await machine.valetkey(['logout'])).code).toBe(0)
    expect(await machine.holding(password)).toEqual([])
    expect([await stands(password), JSON.parse(await file('kept-tokens.json')).tokens]).toEqual([false, {}])
  })

  it('a token of ours is allowed for our own address alone', async () => {
    const words = ['--project', 'code', '--everything', '--strategy', 'proxy']
    const ran = await machine.valetkey(['credential-helper', 'allow', 'git.example.com', ...words])
    expect([ran.code, ran.stdout]).toEqual([2, ''])
    expect(ran.stderr).toMatch(/is for localhost:\d+, not for git\.example\.com/)
  })

  it('what was allowed is listed and taken back', async () => {
    await allow('git.example.com')
    const list = await machine.valetkey(['credential-helper', 'allow', '--json'])
    expect(JSON.parse(list.stdout).hosts).toEqual({
      'git.example.com': {
        server: at.origin,
        tenant: 'acme',
        project: 'reports',
        choice: { strategy: 'sign', rights: { scopes: ['reports:read'] }, expires: '3600' },
        username: 'oauth2',
      },
    })
    expect((await machine.valetkey(['credential-helper', 'allow', 'git.example.com', '--remove'])).code).toBe(0)
    expect(await ask('get', 'protocol=https\nhost=git.example.com\n')).toMatchObject({ code: 0, stdout: '' })
  })
})

const _saidBy = (command: string, ...args: string[]): string => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}
const backendPath = findGitBackend() ?? ''

describe.skipIf(backendPath === '')('git itself', () => {
  const git = (args: string[], more: Record<string, string> = {}) => {
    const config = {
      'user.name': 'somebody',
      'user.email': 'somebody@example.test',
      'init.defaultBranch': 'main',
      'http.sslCAInfo': ca(),
      'credential.helper': '!valetkey credential-helper git',
      ...more,
    }
    const named = Object.entries(config).flatMap(([key, value]) => ['-c', `${key}=${value}`])
    return machine.run(['git', ...named, ...args], { env: { GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' } })
  }
  const passwords = new Set<string>()
  let server: Awaited<ReturnType<typeof listen>>
  beforeAll(async () => {
    const made = join(machine.root, 'made')
    await git(['init', '--quiet', made])
    await writeFile(join(made, 'README'), 'the first line\n')
    await git(['-C', made, 'add', '.'])
    await git(['-C', made, 'commit', '--quiet', '-m', 'the first'])
    await git(['clone', '--quiet', '--bare', made, join(machine.root, 'app.git')])
    server = await listen(async (request, response) => {
      const password = passwordOf(request)
      if (!(await stands(password))) {
        response.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
        return
      }
      passwords.add(password)
      answerGit(backendPath, machine.root, request, response)
    })
  })
  afterAll(() => server?.stop())
  beforeEach(() => passwords.clear())

  it('clones and fetches over HTTPS with one token', async () => {
    await allow(server.host)
    const clone = join(machine.work, 'cloned')
    expect(await git(['clone', '--quiet', `https://${server.host}/app.git`, clone])).toMatchObject({
      code: 0,
      stderr: '',
    })
    expect(await readFile(join(clone, 'README'), 'utf8')).toBe('the first line\n')
    expect(await git(['-C', clone, 'fetch', '--quiet'])).toMatchObject({ code: 0, stderr: '' })
    expect(passwords.size).toBe(1)
    const [token = ''] = passwords
    await expectKept(token)
    // git gives back what it was told, and it ends.
    const input = `protocol=https\nhost=${server.host}\nusername=oauth2\npassword=${token}\n\n`
    const words = ['git', '-c', 'credential.helper=!valetkey credential-helper git', 'credential', 'reject']
    expect((await machine.run(words, { input })).code).toBe(0)
    expect(await stands(token)).toBe(false)
  })

  it('gets nothing for a server that is not allowed', async () => {
    const before = await issued()
    const ran = await git(['clone', '--quiet', `https://${server.host}/app.git`, join(machine.work, 'refused')])
    expect(ran.code).toBe(128)
    expect([passwords.size, await issued()]).toEqual([0, before])
  })

  it('asks no person where our own sign-in is over', async () => {
    await allow(server.host)
    await machine.valetkey(['logout'])
    const ran = await git(['clone', '--quiet', `https://${server.host}/app.git`, join(machine.work, 'refused')])
    expect(ran.code).toBe(128)
    expect(ran.stderr).toMatch(/Nobody is signed in[\s\S]*told us to quit/)
  })

  it('clones through Valetkey, with a token for the path of one project', async () => {
    api.answerWith((request, response) => answerGit(backendPath, machine.root, request, response))
    const base = `${at.origin}/api/v1/tenants/acme/projects/code/proxy`
    const paths = ['GET /app.git/info/refs', 'POST /app.git/git-upload-pack'].flatMap((path) => ['--allow', path])
    await allow(base, '--project', 'code', '--strategy', 'proxy', ...paths)
    const clone = join(machine.work, 'through')
    const ran = await git(['clone', '--quiet', `${base}/app.git`, clone], { 'credential.useHttpPath': 'true' })
    expect(ran).toMatchObject({ code: 0, stderr: '' })
    expect(await readFile(join(clone, 'README'), 'utf8')).toBe('the first line\n')
    for (const { headers } of api.seen) expect(headers.authorization).toMatch(/^Bearer (?!vk_)/)
  })
})

describe('docker’s protocol', () => {
  const docker = (operation: string, input: string) => machine.run(['docker-credential-valetkey', operation], { input })

  it.each(['registry.example.com', 'https://registry.example.com/v2/', 'registry.example.com\n'])(
    'get answers for %j, as it was asked',
    async (server) => {
      await allow('registry.example.com')
      const ran = await docker('get', server)
      const { Secret: secret, ...others } = JSON.parse(ran.stdout)
      expect([ran.code, ran.stderr, others]).toEqual([0, '', { ServerURL: server.trim(), Username: 'oauth2' }])
      expect(await stands(secret)).toBe(true)
      await expectKept(secret)
    },
  )

  it.each([
    ['get', 'evil.example', 'credentials not found in native keychain\n'],
    ['get', 'http://registry.example.com', 'credentials not found in native keychain\n'],
    ['get', 'https://[', 'credentials not found in native keychain\n'],
    ['get', '', 'no credentials server URL\n'],
    ['erase', '', 'no credentials server URL\n'],
    ['dance', 'x', 'Unknown credential action `dance`\n'],
    ['store', '{"ServerURL":"","Username":"u","Secret":"s"}', 'no credentials server URL\n'],
  ])('%s of %j is told on the output, with exit code 1', async (operation, input, said) => {
    await allow('registry.example.com')
    expect(await docker(operation, input)).toEqual({ code: 1, signal: null, stdout: said, stderr: '' })
  })

  it('store keeps nothing, and says so', async () => {
    const input = '{"ServerURL":"registry.example.com","Username":"u","Secret":"my-own-password"}'
    const ran = await docker('store', input)
    expect([ran.code, ran.stderr]).toEqual([1, ''])
    expect(ran.stdout).toMatch(/^valetkey keeps no passwords/)
    expect(await machine.holding('my-own-password')).toEqual([])
  })

  it('list names registries, erase ends a token, and version says which', async () => {
    await allow('registry.example.com')
    expect(await docker('list', '')).toMatchObject({ code: 0, stdout: '{"registry.example.com":"oauth2"}\n' })
    const { Secret: secret } = JSON.parse((await docker('get', 'registry.example.com')).stdout)
    expect(await docker('erase', 'registry.example.com')).toMatchObject({ code: 0, stdout: '', stderr: '' })
    expect(await stands(secret)).toBe(false)
    expect((await docker('version', '')).stdout).toMatch(/^docker-credential-valetkey \(valetkey\) \d+\.\d+\.\d+\n$/)
  })

  it.skipIf(!isThere('docker'))('docker itself reads a registry with a token, and gives it back', async () => {
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: { mediaType: 'application/vnd.docker.container.image.v1+json', size: 2, digest: digestOf('{}') },
      layers: [],
    })
    const seen: string[] = []
    const registry = await listen(async (request, response) => {
      const password = passwordOf(request)
      if (!(await stands(password))) return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"' }).end()
      seen.push(password)
      if (request.url?.includes('/blobs/')) return response.writeHead(200, { 'content-length': 2 }).end('{}')
      const headers = {
        'content-type': 'application/vnd.docker.distribution.manifest.v2+json',
        'content-length': Buffer.byteLength(body),
        'docker-content-digest': digestOf(body),
      }
      return response.writeHead(200, request.url === '/v2/' ? {} : headers).end(request.url === '/v2/' ? '{}' : body)
    }, false)
    const config = join(machine.home, 'docker')
    await mkdir(config, { recursive: true })
    await writeFile(join(config, 'config.json'), JSON.stringify({ credHelpers: { [registry.host]: 'valetkey' } }))
    await allow(registry.host)
    const run = (...words: string[]) =>
      machine.run(['docker', '--config', config, ...words], { env: { DOCKER_HOST: 'unix:///nowhere' } })
    const inspected = await run('manifest', 'inspect', '--insecure', `${registry.host}/team/app:1`)
    await registry.stop()
    expect(inspected).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(inspected.stdout)).toMatchObject({ schemaVersion: 2 })
    expect(new Set(seen).size).toBe(1)
    const left = await run('logout', registry.host)
    expect(left.code).toBe(0)
    expect(await stands(seen[0] ?? '')).toBe(false)
  })
})
const digestOf = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`

describe('kubectl’s protocol', () => {
  const words = ['credential-helper', 'kubernetes', '--project', 'reports', '--scope', 'reports:read']
  const info = (apiVersion: string) =>
    JSON.stringify({ apiVersion, kind: 'ExecCredential', spec: { interactive: false } })

  it.each(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'])(
    'answers an ExecCredential of %s, the same while it lives',
    async (apiVersion) => {
      const env = { KUBERNETES_EXEC_INFO: info(apiVersion) }
      const ran = await machine.valetkey(words, { env })
      expect([ran.code, ran.stderr]).toEqual([0, ''])
      const { status, ...head } = JSON.parse(ran.stdout)
      expect(head).toEqual({ apiVersion, kind: 'ExecCredential' })
      expect(Object.keys(status)).toEqual(['expirationTimestamp', 'token'])
      // metav1.Time reads RFC 3339.
      expect(status.expirationTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
      expect(await stands(status.token)).toBe(true)
      await expectKept(status.token)
      expect(JSON.parse((await machine.valetkey(words, { env })).stdout).status.token).toBe(status.token)
    },
  )

  it.each([
    ['another version', { KUBERNETES_EXEC_INFO: info('client.authentication.k8s.io/v1alpha1') }, words],
    ['something else', { KUBERNETES_EXEC_INFO: 'x' }, words],
    ['no project', {}, words.slice(0, 2)],
    ['a token that is not sent as Bearer', {}, [...words.slice(0, 3), 'warehouse', '--bucket', 'in.c-crm=read']],
  ] as const)('%s is an error on stderr, and no token is made', async (_, env, called) => {
    const before = await issued()
    const ran = await machine.valetkey([...called], { env: { ...env } })
    expect([ran.code === 0, ran.stdout, await issued()]).toEqual([false, '', before])
    expect(ran.stderr).toMatch(/^valetkey: /)
  })

  it.skipIf(!isThere('kubectl', 'version', '--client'))(
    'kubectl itself asks an API server with a token',
    async () => {
      const seen: string[] = []
      const cluster = await listen(async (request, response) => {
        const token = request.headers.authorization?.replace('Bearer ', '') ?? ''
        if (!(await stands(token))) return response.writeHead(401).end('{"kind":"Status","code":401}')
        seen.push(token)
        const list = { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: [] }
        return response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(list))
      })
      const config = {
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'one',
        contexts: [{ name: 'one', context: { cluster: 'one', user: 'one' } }],
        clusters: [{ name: 'one', cluster: { server: `https://${cluster.host}`, 'certificate-authority': ca() } }],
        users: [
          {
            name: 'one',
            user: {
              exec: {
                apiVersion: 'client.authentication.k8s.io/v1',
                command: 'valetkey',
                args: words,
                interactiveMode: 'Never',
                provideClusterInfo: true,
              },
            },
          },
        ],
      }
      const path = join(machine.home, 'kubeconfig')
      await writeFile(path, JSON.stringify(config))
      const get = ['kubectl', '--kubeconfig', path, 'get', '--raw', '/api/v1/namespaces/default/pods']
      const ran = [await machine.run(get), await machine.run(get)]
      await cluster.stop()
      for (const one of ran) expect([one.code, JSON.parse(one.stdout).kind]).toEqual([0, 'PodList'])
      expect(new Set(seen).size).toBe(1)
      await expectKept(seen[0] ?? '')
    },
    60_000,
  )
})

describe('headers for an MCP client', () => {
  it('a client of the official SDK lists and calls tools with them', async () => {
    const words = ['credential-helper', 'mcp', '--project', 'code', '--strategy', 'proxy', '--everything']
    const ran = await machine.valetkey(words)
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    api.answerWith(async (request, response) => {
      const server = new McpServer({ name: 'tickets', version: '1.0.0' })
      server.registerTool(
        'echo',
        { description: 'Says it again', inputSchema: z.object({ text: z.string() }) },
        ({ text }) => ({
          content: [{ type: 'text', text }],
        }),
      )
      const transport = new NodeStreamableHTTPServerTransport({})
      await server.connect(transport)
      await transport.handleRequest(request, response)
    })
    const address = new URL(`${at.origin}/api/v1/tenants/acme/projects/code/proxy/mcp`)
    const headers = JSON.parse(ran.stdout) as Record<string, string>
    const client = new Client({ name: 'a-client', version: '1.0.0' })
    await client.connect(new StreamableHTTPClientTransport(address, { requestInit: { headers } }))
    expect((await client.listTools()).tools.map(({ name }) => name)).toEqual(['echo'])
    const called = await client.callTool({ name: 'echo', arguments: { text: 'through Valetkey' } })
    expect(called.content).toEqual([{ type: 'text', text: 'through Valetkey' }])
    await client.close()
  })

  it('are a JSON object of names and values, and work', async () => {
    const words = ['credential-helper', 'mcp', '--project', 'code', '--strategy', 'proxy', '--everything']
    const ran = await machine.valetkey(words)
    expect([ran.code, ran.stderr]).toEqual([0, ''])
    const headers = JSON.parse(ran.stdout) as Record<string, string>
    expect(Object.entries(headers)).toEqual([['Authorization', expect.stringMatching(/^Bearer vk_px_/)]])
    api.answerWith((_, response) => void response.end('{"jsonrpc":"2.0","id":1,"result":{}}'))
    const asked = await fetch(`${at.origin}/api/v1/tenants/acme/projects/code/proxy/mcp`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"ping"}',
    })
    expect([asked.status, await asked.json()]).toEqual([200, { jsonrpc: '2.0', id: 1, result: {} }])
    await expectKept(headers.Authorization?.replace('Bearer ', '') ?? '')
  })
})
