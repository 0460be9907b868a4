// Whether real routers read the paths that pass as we do: express, Go's net/http and nginx, where they are to be had.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import fc from 'fast-check'
import { Pool } from 'undici'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isBrokerError } from '../../lib/errors.ts'
import { matcherOf } from '../../lib/providers/rules.ts'
import { judgePath } from '../../lib/proxy/target.ts'
import { findNginx } from '../../scripts/lib/nginx.mjs'
import { trickyPath } from '../support/tricky-paths.ts'

const nginx = await findNginx()
/** Its standard library is compiled first, which takes half a minute: on demand (VALETKEY_TEST_GO=1). */
const go = ['go', '/usr/local/go/bin/go'].find((path) => {
  if (process.env.VALETKEY_TEST_GO !== '1') return false
  try {
    execFileSync(path, ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
})

let folder: string
const children: ChildProcess[] = []
const servers: Server[] = []
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'valetkey-routers-'))
})
afterAll(async () => {
  for (const server of servers) server.close()
  for (const child of children) {
    child.kill()
    await once(child, 'exit')
  }
  await rm(folder, { recursive: true, force: true })
})

/** Each router has the same four handlers, which say their name. */
const routers: Record<string, { isThere: boolean; start: () => Promise<number> }> = {
  express: {
    isThere: true,
    async start() {
      const app = express()
      const say = (word: string) => (_request: express.Request, response: express.Response) => void response.send(word)
      app.use('/public', say('public'))
      app.use('/admin', say('admin'))
      app.get('/repos/:id/issues', say('issues'))
      app.get('/repos/:id/secrets', say('secrets'))
      // It tells a path that it cannot decode to whoever handles errors.
      app.use(
        (_e: unknown, _q: express.Request, response: express.Response, _n: express.NextFunction) =>
          void response.status(400).end(),
      )
      const server = createServer(app)
      servers.push(server)
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return (server.address() as AddressInfo).port
    },
  },
  'Go net/http': {
    isThere: go !== undefined,
    async start() {
      const binary = join(folder, 'mux')
      const env = { ...process.env, GOCACHE: join(folder, 'cache'), GOFLAGS: '-mod=mod', GO111MODULE: 'off' }
      execFileSync(go ?? '', ['build', '-o', binary, join(import.meta.dirname, '../support/mux.go')], {
        env,
        stdio: 'ignore',
      })
      // Outside a module the router is that of 1.21 unless it is told otherwise.
      const child = spawn(binary, {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, GODEBUG: 'httpmuxgo121=0' },
      })
      children.push(child)
      const [line] = await once(child.stdout, 'data')
      return Number(String(line))
    },
  },
  nginx: {
    isThere: nginx !== undefined,
    async start() {
      const free = createServer().listen(0, '127.0.0.1')
      await once(free, 'listening')
      const { port } = free.address() as AddressInfo
      free.close()
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
        (name) => `${name}_temp_path ${folder}/${name};`,
      )
      await writeFile(
        join(folder, 'nginx.conf'),
        `daemon off; pid ${folder}/pid; error_log ${folder}/error.log; events {}
        http { access_log off; ${temporary.join(' ')} server { listen 127.0.0.1:${port};
          location /public/ { return 200 public; } location /admin { return 200 admin; }
          location ~ ^/repos/[^/]+/issues$ { return 200 issues; } location ~ ^/repos/[^/]+/secrets$ { return 200 secrets; } location / { return 404; } } }`,
      )
      const child = spawn(
        nginx ?? '',
        ['-c', join(folder, 'nginx.conf'), '-p', folder, '-e', join(folder, 'error.log')],
        { stdio: 'ignore' },
      )
      children.push(child)
      for (;;) {
        const isUp = await fetch(`http://127.0.0.1:${port}/public/`).then(
          () => true,
          () => false,
        )
        if (isUp) return port
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  },
}

function passes(path: string): boolean {
  try {
    judgePath({ slug: 'acme', project: 'p', path, search: '' })
    return true
  } catch (error) {
    if (isBrokerError(error, 'path_refused')) return false
    throw error
  }
}

describe.each(Object.entries(routers))('%s', (_name, { isThere, start }) => {
  it.skipIf(!isThere)('reads what passes, of ten thousand paths, as it is allowed', { timeout: 120_000 }, async () => {
    const pool = new Pool(`http://127.0.0.1:${await start()}`, { connections: 8 })
    const given = [...new Set(fc.sample(trickyPath, 10_000))].filter(passes)
    const asked: Record<string, number> = {}
    for (const [rule, allowed] of [
      ['GET /public/**', ['public']],
      ['GET /repos/*/issues', ['issues']],
    ] as const) {
      const allows = matcherOf({ access: 'paths', paths: [rule] })
      for (const path of given.filter((one) => allows('GET', one))) {
        const { statusCode, body } = await pool.request({ path, method: 'GET' })
        const word = await body.text()
        // A redirect or a refusal does nothing; whatever answers must be what was allowed.
        if (statusCode < 300) expect([path, allowed.includes(word as never)]).toEqual([path, true])
        asked[rule] = (asked[rule] ?? 0) + 1
      }
    }
    // Not vacuous: what is plain arrived, and many that are not.
    for (const rule of Object.keys(asked)) expect([rule, (asked[rule] ?? 0) > 20]).toEqual([rule, true])
    expect(Object.keys(asked)).toHaveLength(2)
    const plain = await pool.request({ path: '/repos/x/issues', method: 'GET' })
    expect(await plain.body.text()).toBe('issues')
    await pool.close()
  })
})
