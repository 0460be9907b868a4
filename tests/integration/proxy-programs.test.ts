// Programs as people run them, through the proxy on its own socket. A program that is not installed is not tried.
import { execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { issueToken } from '../../lib/broker/issue.ts'
import type { Rules } from '../../lib/providers/rules.ts'
import { type Broker, type BrowserActor, startBroker } from '../support/broker.ts'
import { startPassing } from '../support/passing.ts'
import { pointAt, startApi } from '../support/streaming.ts'

const run = promisify(execFile)
/** What a command says; '' where it is not installed. */
const saidBy = (command: string, ...args: string[]): string => {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}
const backendPath = join(saidBy('git', '--exec-path'), 'git-http-backend')

let broker: Broker
let owner: BrowserActor
let api: Awaited<ReturnType<typeof startApi>>
let passing: Awaited<ReturnType<typeof startPassing>>
let project: string
let home: string
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'valetkey-programs-'))
  broker = await startBroker()
  api = await startApi()
  owner = await broker.actorOf('owner@acme.test')
  await pointAt(broker, owner, '', api.url)
  const linked = await broker.link(owner, 'owner@acme.test', { provider: 'Demo tickets' })
  if (linked.kind !== 'linked') throw linked.error
  project = linked.projectId
  passing = await startPassing(broker.ctx)
})
afterAll(async () => {
  await passing.stop()
  await api.stop()
  await broker.stop()
  await rm(home, { recursive: true, force: true })
})
beforeEach(() => {
  api.seen.length = 0
})

/** A token, and the address under which a program on this machine finds the proxy. */
async function issue(scopes: Rules) {
  const asked = { project, scopes, strategy: 'proxy', lifetimeSeconds: 3600, purpose: 'a program' } as const
  const { value, baseUrl } = await issueToken(broker.ctx, owner, asked)
  return { token: value.reveal(), url: `http://127.0.0.1:${passing.port}${new URL(baseUrl).pathname}` }
}

/** Every request came with our access token and without the proxy's. */
const expectOurs = (token: string) => {
  expect(api.seen.length).toBeGreaterThan(0)
  for (const { headers } of api.seen) {
    expect(headers.authorization).toMatch(/^Bearer (?!vk_)/)
    expect(JSON.stringify(headers)).not.toContain(token)
  }
}

describe.skipIf(saidBy('curl', '--version') === '')('curl', () => {
  it.each(['Bearer', 'token', 'Token'])('sends the token by the scheme %s', async (scheme) => {
    api.answerWith((_, response) => void response.end('[]'))
    const { token, url } = await issue({ access: 'read_only' })
    const header = `Authorization: ${scheme} ${token}`
    const asked = ['--silent', '--show-error', '--fail', '--header', `Host: ${passing.host}`, '--header', header]
    expect((await run('curl', [...asked, `${url}/repos/team/app/issues`])).stdout).toBe('[]')
    expect(api.seen.map(({ url: path }) => path)).toEqual(['/repos/team/app/issues'])
    expectOurs(token)
  })
})

describe.skipIf(!existsSync(backendPath))('git over HTTP', () => {
  const fetching = ['GET /app.git/info/refs', 'POST /app.git/git-upload-pack']
  const pushing = [...fetching, 'POST /app.git/git-receive-pack']
  const git = (args: string[], more: Record<string, string> = {}) => {
    const config: Record<string, string> = {
      'user.name': 'somebody',
      'user.email': 'somebody@example.test',
      'init.defaultBranch': 'main',
      'http.extraHeader': `Host: ${passing.host}`,
      ...more,
    }
    const named = Object.entries(config).flatMap(([key, value]) => ['-c', `${key}=${value}`])
    const own = { HOME: home, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' }
    return run('git', [...named, ...args], { env: { ...process.env, ...own } })
  }
  /** As docs/proxy.md has it: git asks for a password, and a helper answers. */
  const helper = (token: string) => ({
    'credential.helper': `!f() { test "$1" = get && printf "username=token\\npassword=%s\\n" "${token}"; }; f`,
  })

  /** A git server: `git http-backend` as RFC 3875 has it. */
  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, search } = new URL(request.url ?? '', 'http://git')
    const backend = spawn(backendPath, {
      env: {
        ...process.env,
        GIT_PROJECT_ROOT: home,
        GIT_HTTP_EXPORT_ALL: '1',
        PATH_INFO: pathname,
        QUERY_STRING: search.slice(1),
        REQUEST_METHOD: request.method ?? '',
        REMOTE_USER: 'somebody',
        CONTENT_TYPE: request.headers['content-type'] ?? '',
        HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
        HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
      },
      stdio: ['pipe', 'pipe', 'ignore'],
    })
    request.pipe(backend.stdin)
    const pieces: Buffer[] = []
    backend.stdout.on('data', (piece: Buffer) => pieces.push(piece))
    backend.on('close', () => {
      const all = Buffer.concat(pieces)
      const end = all.indexOf('\r\n\r\n')
      for (const line of all.subarray(0, end).toString().split('\r\n')) {
        const [name = '', value = ''] = line.split(/: (.*)/s)
        if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
        else response.setHeader(name, value)
      }
      response.end(all.subarray(end + 4))
    })
  }

  beforeAll(async () => {
    const work = join(home, 'work')
    await git(['init', '--quiet', work])
    await writeFile(join(work, 'README'), 'the first line\n')
    await git(['-C', work, 'add', '.'])
    await git(['-C', work, 'commit', '--quiet', '-m', 'the first'])
    await git(['clone', '--quiet', '--bare', work, join(home, 'app.git')])
  })
  beforeEach(() => api.answerWith(serve))

  it('clones with the token as a password, and within rules for fetching pushes nothing', async () => {
    const { token, url } = await issue({ access: 'paths', paths: fetching })
    const clone = join(home, 'fetched')
    await git(['clone', '--quiet', `${url}/app.git`, clone], helper(token))
    expect(await readFile(join(clone, 'README'), 'utf8')).toBe('the first line\n')
    expect(api.seen.map(({ method }) => method)).toContain('POST')
    expectOurs(token)
    await git(['-C', clone, 'commit', '--quiet', '--allow-empty', '-m', 'the second'])
    await expect(git(['-C', clone, 'push', '--quiet'], helper(token))).rejects.toThrow('403')
    expect((await git(['-C', join(home, 'app.git'), 'log', '--format=%s'])).stdout).toBe('the first\n')
  })

  it('clones and pushes with the header that the environment may give it', async () => {
    const { token, url } = await issue({ access: 'paths', paths: pushing })
    const clone = join(home, 'pushed')
    const header = { [`http.${url}.extraHeader`]: `Authorization: Bearer ${token}` }
    await git(['clone', '--quiet', `${url}/app.git`, clone], header)
    await git(['-C', clone, 'commit', '--quiet', '--allow-empty', '-m', 'the second'])
    await git(['-C', clone, 'push', '--quiet'], header)
    expect((await git(['-C', join(home, 'app.git'), 'log', '--format=%s'])).stdout).toBe('the second\nthe first\n')
    expectOurs(token)
  })
})
