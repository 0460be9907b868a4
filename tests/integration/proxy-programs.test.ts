// The examples of docs/proxy.md and of the secret dialog, run as they stand there by the programs they are for. A program that is
// not installed is not tried.
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { proxySamples } from '../../lib/providers/proxy-samples.ts'
import type { Rules } from '../../lib/providers/rules.ts'
import { findNginx } from '../../scripts/lib/nginx.mjs'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { selfSigned } from '../support/certificate.ts'
import { isThere } from '../support/command.ts'
import { answerGit, findGitBackend } from '../support/git-server.ts'
import { serve } from '../support/served.ts'
import { pointAt, startApi } from '../support/streaming.ts'

const run = promisify(execFile)
const documented = 'https://valetkey.example.com/api/v1/tenants/acme/projects/items/proxy'
const gitBackend = findGitBackend()
const nginx = await findNginx()

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let api: Awaited<ReturnType<typeof startApi>>
let owner: Jar
let project: string
let home: string
let page: string
const children: ChildProcess[] = []
beforeAll(async () => {
  page = await readFile(new URL('../../docs/proxy.md', import.meta.url), 'utf8')
  app = await startTestApp()
  api = await startApi()
  owner = await app.signIn('owner@acme.test')
  await pointAt(app, { tenantId: String(await app.tenantId('acme')) }, '', api.url)
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', provider: 'Demo tickets' })
  at = await serve(app)
})
afterAll(async () => {
  await at.stop()
  await api.stop()
  await app.stop()
})
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'valetkey-programs-'))
  api.seen.length = 0
})
afterEach(async () => {
  for (const child of children.splice(0)) {
    child.kill()
    await once(child, 'exit')
  }
  await rm(home, { recursive: true, force: true })
})

/** The n-th example after a word of the page. */
function example(word: string, position = 0): string {
  const found = [...page.slice(page.indexOf(word)).matchAll(/```\w*\n([\s\S]*?)```/g)][position]?.[1]
  if (!found) throw new Error(`docs/proxy.md has no such example: ${word}`)
  return found
}
const rulesOf = (text: string): Rules => ({ access: 'paths', paths: text.trim().split('\n') })

/** A token, and the address that is told with it. */
async function issue(scopes: Rules): Promise<{ token: string; url: string }> {
  const asked = { scopes, strategy: 'proxy', expires_in: 3600, purpose: 'a program' }
  const path = `/tenants/acme/projects/${project}/tokens`
  const { body } = await app.call<{ value: string; base_url: string }>(owner, 'POST', path, asked, {
    origin: at.origin,
  })
  return { token: body.value, url: body.base_url }
}

/** A shell of somebody's own with an example in it; the page's addresses are ours. */
async function shell(text: string, { token, url }: { token: string; url: string }, more: Record<string, string> = {}) {
  const env: NodeJS.ProcessEnv = {
    NODE_ENV: 'test',
    PATH: process.env.PATH,
    HOME: home,
    API_TOKEN: token,
    API_URL: url,
    NO_PROXY: '*',
    GIT_TERMINAL_PROMPT: '0',
  }
  const script = text.replaceAll(documented, url).replaceAll('https://valetkey.example.com', at.origin)
  return run('bash', ['--norc', '-eu', '-c', script], { cwd: home, env: { ...env, ...more } })
}

/** Every request came with our access token and without the proxy's. */
const expectOurs = (token: string) => {
  expect(api.seen.length).toBeGreaterThan(0)
  for (const { headers } of api.seen) {
    expect(headers.authorization).toMatch(/^Bearer (?!vk_)/)
    expect(JSON.stringify(headers)).not.toContain(token)
  }
}
const json = (value: unknown) => (_: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))

describe.skipIf(!isThere('curl'))('curl', () => {
  it('reads the token from its input', async () => {
    api.answerWith(json([]))
    const issued = await issue({ access: 'read_only' })
    expect((await shell(example('**curl**'), issued)).stdout).toBe('[]')
    expect(api.seen.map(({ url }) => url)).toEqual(['/v1/items'])
    expectOurs(issued.token)
  })

  it.each(['token', 'Token'])('sends the token by the scheme %s', async (scheme) => {
    api.answerWith(json([]))
    const issued = await issue({ access: 'read_only' })
    const text = example('**curl**').replace('Bearer', scheme)
    expect((await shell(text, issued)).stdout).toBe('[]')
    expectOurs(issued.token)
  })
})

describe('an SDK with the address of the proxy as its base', () => {
  const js = (text: string, issued: { token: string; url: string }) =>
    run(process.execPath, ['--input-type=module', '-e', text], {
      env: { ...process.env, API_TOKEN: issued.token, API_URL: issued.url },
    })
  const preset = (name: string) =>
    app.rows(
      'acme',
      `UPDATE provider SET settings = jsonb_set(settings, '{preset}', to_jsonb($1::text)) WHERE name = 'Demo tickets'`,
      [name],
    )

  it('Notion’s client asks with its version of the API', async () => {
    await preset('notion')
    const bot = { object: 'user', id: 'b1', type: 'bot', name: 'A bot' }
    api.answerWith(json(bot))
    const issued = await issue({ access: 'paths', paths: ['GET /v1/users/me'] })
    expect((await js(example('The Notion client'), issued)).stdout).toContain('A bot')
    expect(api.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /v1/users/me'])
    expect(api.seen[0]?.headers['notion-version']).toMatch(/^\d{4}-\d\d-\d\d$/)
    expectOurs(issued.token)
  })

  it('Octokit sends its own scheme, and hears of a refusal in its own words', async () => {
    await preset('github-app')
    api.answerWith(json({ login: 'somebody' }))
    const issued = await issue({ access: 'read_only' })
    const text = example('Octokit sends')
    expect((await js(text, issued)).stdout).toContain('somebody')
    expect(api.seen.map(({ method, url }) => `${method} ${url}`)).toEqual(['GET /user'])
    expectOurs(issued.token)
    const refused = text.replace('GET /user', 'POST /user/repos')
    await expect(js(refused, issued)).rejects.toThrow(/HttpError[\s\S]*status: 403/)
    expect(api.seen).toHaveLength(1)
  })
})

describe.skipIf(!gitBackend)('git over HTTPS', () => {
  const fetching = () => example('**git over HTTPS**')
  const identity = ['user.name=somebody', 'user.email=somebody@example.test', 'init.defaultBranch=main']
  const git = (args: string[], token = '') =>
    run('git', [...identity.flatMap((pair) => ['-c', pair]), ...args], {
      env: { ...process.env, HOME: home, API_TOKEN: token, GIT_TERMINAL_PROMPT: '0', GIT_CONFIG_NOSYSTEM: '1' },
    })
  const said = async (repository: string) =>
    (await git(['-C', repository, 'log', '--format=%s'])).stdout.trim().split('\n')
  let bare: string
  beforeEach(async () => {
    const [served, work] = [join(home, 'served'), join(home, 'work')]
    bare = join(served, 'team/app.git')
    await git(['init', '--quiet', work])
    await writeFile(join(work, 'README'), 'the first line\n')
    await git(['-C', work, 'add', '.'])
    await git(['-C', work, 'commit', '--quiet', '-m', 'the first'])
    await git(['clone', '--quiet', '--bare', work, bare])
    api.answerWith((request, response) => answerGit(gitBackend ?? '', served, request, response))
  })

  it('clones with the token as a password, and within rules for fetching pushes nothing', async () => {
    const issued = await issue(rulesOf(fetching()))
    await shell(example('**git over HTTPS**', 1), issued)
    const clone = join(home, 'app')
    expect(await readFile(join(clone, 'README'), 'utf8')).toBe('the first line\n')
    expect(api.seen.map(({ method }) => method)).toContain('POST')
    expectOurs(issued.token)
    await git(['-C', clone, 'commit', '--quiet', '--allow-empty', '-m', 'the second'])
    await expect(git(['-C', clone, 'push', '--quiet'], issued.token)).rejects.toThrow('403')
    expect(await said(bare)).toEqual(['the first'])
  })

  it('clones and pushes with the header that the environment gives it', async () => {
    const issued = await issue(rulesOf(`${fetching()}POST /team/app.git/git-receive-pack`))
    const push = `cd app
      git ${identity.map((pair) => `-c ${pair}`).join(' ')} commit --quiet --allow-empty -m 'the second'
      git push --quiet`
    await shell(`${example('**git over HTTPS**', 2)}${push}`, issued)
    expect(await said(bare)).toEqual(['the second', 'the first'])
    expectOurs(issued.token)
  })
})

describe.skipIf(!nginx)('a registry for containers, behind a host of its own', () => {
  /** What OCI's distribution specification asks of a registry that is only read: one image of one layer. */
  function startRegistry() {
    const blob = (body: Buffer) => ({ body, digest: `sha256:${createHash('sha256').update(body).digest('hex')}` })
    const layer = blob(Buffer.from('a layer'))
    const config = blob(
      Buffer.from(
        JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } }),
      ),
    )
    const docker = 'application/vnd.docker'
    const described = ({ body, digest }: typeof layer, mediaType: string) => ({ mediaType, size: body.length, digest })
    const manifest = blob(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: `${docker}.distribution.manifest.v2+json`,
          config: described(config, `${docker}.container.image.v1+json`),
          layers: [described(layer, `${docker}.image.rootfs.diff.tar`)],
        }),
      ),
    )
    api.answerWith(({ url = '' }, response) => {
      if (url === '/v2/') return void response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
      const found = [layer, config].find(({ digest }) => url === `/v2/team/app/blobs/${digest}`)
      if (found) return void response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(found.body)
      if (url !== '/v2/team/app/manifests/1.0' && url !== `/v2/team/app/manifests/${manifest.digest}`)
        return void response.writeHead(404).end()
      const head = {
        'content-type': `${docker}.distribution.manifest.v2+json`,
        'docker-content-digest': manifest.digest,
      }
      response.writeHead(200, head).end(manifest.body)
    })
    return { layer: layer.body.toString() }
  }

  /** nginx with the page's own lines, but for names, ports and certificates. */
  async function startFront(url: string): Promise<{ host: string; trust: Record<string, string> }> {
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port } = free.address() as AddressInfo
    free.close()
    const { key, cert } = selfSigned('localhost')
    await writeFile(join(home, 'registry.pem'), cert)
    await writeFile(join(home, 'registry.key'), key)
    const server = example('**Docker**')
      .replace('443', `127.0.0.1:${port}`)
      .replaceAll('/etc/ssl/registry.example.com', join(home, 'registry'))
      .replaceAll('registry.example.com', 'localhost')
      .replace(documented, url)
      .replaceAll('valetkey.example.com', new URL(at.origin).host)
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${home}/${name};`,
    )
    await writeFile(
      join(home, 'nginx.conf'),
      `daemon off; pid ${home}/pid; error_log ${home}/error.log; events {} http { access_log off; ${temporary.join(' ')}\n${server}\n}`,
    )
    children.push(
      spawn(nginx ?? '', ['-c', join(home, 'nginx.conf'), '-p', home, '-e', join(home, 'error.log')], {
        stdio: 'ignore',
      }),
    )
    await expect.poll(() => readFile(join(home, 'pid'), 'utf8').catch(() => '')).not.toBe('')
    return { host: `localhost:${port}`, trust: { SSL_CERT_FILE: join(home, 'registry.pem') } }
  }

  it('asks for Basic in place of Valetkey’s own challenge, on a refusal alone', async () => {
    startRegistry()
    const issued = await issue(rulesOf(example('**Docker**', 1)))
    const { host, trust } = await startFront(issued.url)
    const ask = async (more: string[] = []) =>
      (
        await run('curl', [
          '--silent',
          '--include',
          '--cacert',
          trust.SSL_CERT_FILE ?? '',
          ...more,
          `https://${host}/v2/`,
        ])
      ).stdout
    expect((await ask()).match(/^www-authenticate: .*$/gim)).toEqual([
      expect.stringMatching(/: Basic realm="Valetkey"\s*$/),
    ])
    const taken = await ask(['--user', `token:${issued.token}`])
    expect(taken).toMatch(/^HTTP\/1\.1 200/)
    expect(taken).not.toMatch(/^www-authenticate/im)
    expectOurs(issued.token)
  })

  it.skipIf(!isThere('docker') || !isThere('skopeo'))(
    'docker signs in and reads a manifest, and the image is pulled',
    async () => {
      const { layer } = startRegistry()
      const issued = await issue(rulesOf(example('**Docker**', 1)))
      const { host, trust } = await startFront(issued.url)
      // Pulling is a daemon's work, which no test has: skopeo asks a registry the same.
      const pulling = `docker() {
      if test "$1" = pull; then skopeo copy --quiet --authfile "$HOME/.docker/config.json" "docker://$2" dir:pulled; else command docker "$@"; fi
    }`
      await mkdir(join(home, '.docker'))
      const text = example('**Docker**', 2).replaceAll('registry.example.com', host)
      const { stdout } = await shell(`${pulling}\n${text}`, issued, trust)
      expect(stdout).toContain('Login Succeeded')
      expect(stdout).toContain('"schemaVersion": 2')
      const digest = createHash('sha256').update(layer).digest('hex')
      expect(await readFile(join(home, 'pulled', digest), 'utf8')).toBe(layer)
      expectOurs(issued.token)
      // Of another image nothing.
      await expect(
        run('skopeo', ['inspect', '--authfile', join(home, '.docker/config.json'), `docker://${host}/team/other:1.0`], {
          env: { ...process.env, ...trust },
        }),
      ).rejects.toThrow(/403|denied|Forbidden/)
    },
  )
})

describe('the secret dialog', () => {
  it.skipIf(!isThere('curl'))('its examples for curl, the environment and Node read the API', async () => {
    api.answerWith(json([{ id: 7 }]))
    const issued = await issue({ access: 'paths', paths: ['GET /v1/items'] })
    const samples = Object.fromEntries(
      proxySamples({ baseUrl: issued.url, path: '/v1/items' }, issued.token).map(({ id, code }) => [id, code]),
    )
    const nothing = { token: '', url: '' }
    expect((await shell(samples.curl ?? '', nothing)).stdout).toBe('[{"id":7}]')
    expect((await shell(samples.node ?? '', nothing)).stdout.trim()).toBe('[{"id":7}]')
    const used = `${samples.env}\nprintf %s "$API_TOKEN $API_URL"`
    expect((await shell(used, nothing)).stdout).toBe(`${issued.token} ${issued.url}`)
    expectOurs(issued.token)
  })
})
