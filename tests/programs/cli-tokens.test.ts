// Tokens by the command: asked for by flags of their kind, printed once, listed, and taken back.
import { spawn } from 'node:child_process'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { approve } from '../../demo/browser.ts'
import { completeLink } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { type CliWorld, startCliWorld } from '../support/cli.ts'
import { ownApisOf } from '../support/own-apis.ts'

let world: CliWorld
let project: string
/** What the owner does in the browser: links a project, or links it again. Its id. */
async function link(external: string): Promise<string> {
  const { ctx, actorOf, providerOf, callbackOf } = world.app
  const actor = await actorOf('owner@acme.test')
  const { id } = await providerOf(actor)
  const { url } = await startLink(ctx, actor, { providerId: id, browser: actor.browser })
  const location = await approve(url, { account: 'owner@acme.test', project: external })
  const done = await completeLink(ctx, callbackOf(location, actor))
  if (!('projectId' in done)) throw new Error(`not linked: ${JSON.stringify(done)}`)
  return String(done.projectId)
}
beforeAll(async () => {
  world = await startCliWorld()
  project = await link('10231')
  await world.console('PATCH', `/tenants/acme/projects/${project}`, { alias: 'sales' })
  await ownApisOf(world.app, await world.app.actorOf('owner@acme.test'))
}, 60_000)
afterAll(() => world.stop())
afterEach(async () => {
  world.fates.length = 0
  await world.app.forgetLimits()
})

const run = (...args: string[]) => world.run(args)
const json = async (...args: string[]) => {
  const { code, stdout, stderr } = await world.run([...args, '--json'])
  return {
    code,
    body: stdout === '' ? undefined : JSON.parse(stdout),
    error: stderr === '' ? undefined : JSON.parse(stderr).error,
  }
}
const asked = ['--bucket', 'in.c-crm=read', '--purpose', 'nightly export']
const rows = (where = 'true') =>
  world.app.rows(
    'acme',
    `SELECT id, status, purpose, scopes_asked, expires_at - created_at AS life FROM issued_token WHERE ${where} ORDER BY created_at, id`,
  )
const live = () => rows(`status = 'live'`)
const states = async () => (await rows()).map(({ status }) => status)
/** What the product answers reaches nobody. */
const loseAnswer = (path: string, times = 1) =>
  world.fates.push((request, response) => {
    if (!request.url?.includes(path) || request.method !== 'POST' || times === 0) return false
    times -= 1
    const { end } = response
    response.end = (() => {
      request.socket.destroy()
      return response
    }) as typeof end
    return false
  })

it('a person signs the terminal in, and lets it issue for two projects', async () => {
  const audience = await world.app.rows('acme', `SELECT id FROM project WHERE alias = 'reports'`)
  expect((await world.login()).code).toBe(0)
  // As the person allowed it when they signed the terminal in.
  const all = [project, ...audience.map(({ id }) => String(id))].map((id) => [id, { rights: null, proxy: null }])
  await world.app.rows('acme', 'UPDATE oauth_grant SET ceilings = $1 RETURNING id', [
    JSON.stringify(Object.fromEntries(all)),
  ])
})

describe('projects', () => {
  it('are listed by the names that commands take', async () => {
    const { code, body } = await json('projects')
    expect([code, body.tenant, body.projects.map(({ alias }: { alias: string }) => alias)]).toEqual([
      0,
      'acme',
      expect.arrayContaining(['reports', 'sales']),
    ])
    expect(body.projects.find(({ alias }: { alias: string }) => alias === 'sales')).toEqual({
      alias: 'sales',
      id: project,
      name: expect.any(String),
      provider: { name: expect.any(String), kind: 'keboola', host: expect.stringMatching(/^127/) },
      state: 'live',
      detail: null,
      strategy: 'mint',
      tokens_out: 0,
    })
    expect((await run('projects')).stdout).toMatch(/^project .*\n.*sales +/s)
  })
})

describe('a token', () => {
  it('has the rights and the life of its flags, is printed alone, and works', async () => {
    const { code, stdout, stderr } = await run('token', 'sales', ...asked, '--expires', '10m')
    expect([code, stderr]).toEqual([
      0,
      expect.stringMatching(/^sales: read in\.c-crm {2}ends in \d+ min, fingerprint \w+\n$/),
    ])
    expect(stdout).toMatch(/^\S+\n$/)
    expect(await world.app.useToken(stdout.trim())).toBe(200)
    expect(stderr).not.toContain(stdout.trim())
    const [row] = await live()
    expect(row).toMatchObject({ purpose: 'nightly export', scopes_asked: { buckets: { 'in.c-crm': 'read' } } })
    expect(row?.life).toMatchObject({ minutes: 10 })
  })

  it('is kept nowhere on the machine, also by nobody’s arguments', async () => {
    const { stdout } = await run('token', 'sales', ...asked)
    const home = join(world.machine, '.config/valetkey')
    const files = (await readdir(home, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
    expect(files.length).toBeGreaterThan(0)
    for (const { parentPath, name } of files)
      expect(await readFile(join(parentPath, name), 'utf8'), name).not.toContain(stdout.trim())
  })

  it('is a line for a shell, a header, or JSON that stays as it is', async () => {
    const env = await run('token', 'sales', ...asked, '--format', 'env')
    const value = /^export KBC_TOKEN='(.*)'$/m.exec(env.stdout)?.[1] ?? ''
    const stack = new URL(world.app.demo.issuer).origin
    expect(env.stdout.split('\n').filter(Boolean).toSorted()).toEqual(
      [
        `export KBC_TOKEN='${value}'`,
        `export KBC_STORAGE_TOKEN='${value}'`,
        `export KBC_STORAGE_API_TOKEN='${value}'`,
        `export KBC_URL='${stack}'`,
        `export KBC_STORAGE_API_URL='${stack}'`,
        `export KBC_STORAGE_API_HOST='${new URL(stack).host}'`,
      ].toSorted(),
    )
    expect(await world.app.useToken(value)).toBe(200)
    expect((await run('token', 'sales', ...asked, '--format', 'header')).stdout).toMatch(/^X-StorageApi-Token: \S+\n$/)
    const { body } = await json('token', 'sales', ...asked)
    expect(Object.keys(body)).toEqual(
      'value token_type base_url environment id fingerprint project strategy purpose granted not_granted expires_at revoke_at'.split(
        ' ',
      ),
    )
    expect(body).toMatchObject({ project: 'sales', strategy: 'mint', environment: { KBC_TOKEN: body.value } })
  })

  it('through Valetkey is asked for by rules, and is handed out with our address', async () => {
    const { body } = await json(
      'token',
      'sales',
      '--rules',
      'tables',
      '--allow',
      'GET /v2/storage/jobs',
      '--purpose',
      'x',
    )
    const [{ scopes_asked } = {}] = (await live()).slice(-1)
    expect(scopes_asked).toEqual({
      access: 'paths',
      paths: ['GET /v2/storage/jobs', 'GET /v2/storage/buckets/**', 'GET /v2/storage/tables/**'],
    })
    expect(body).toMatchObject({ strategy: 'proxy', token_type: 'Bearer' })
    expect(body.environment).toEqual({
      API_TOKEN: body.value,
      API_URL: `${world.at.origin}/api/v1/tenants/acme/projects/sales/proxy`,
    })
    expect((await run('token', 'sales', '--read-only', '--purpose', 'x', '--format', 'header')).stdout).toMatch(
      /^Authorization: Bearer vk_px_\S+\n$/,
    )
  })

  it('of an own API is asked for by its scopes', async () => {
    const { body } = await json('token', 'reports', '--scope', 'reports:read', '--purpose', 'x')
    expect(body).toMatchObject({
      strategy: 'sign',
      granted: { scopes: ['reports:read'] },
      environment: { API_TOKEN: body.value },
    })
  })

  it('may have its rights in a file, or from the input', async () => {
    const file = join(world.machine, 'rights.json')
    await writeFile(file, JSON.stringify({ components: ['keboola.ex-db'] }))
    expect((await json('token', 'sales', '--rights', file, '--purpose', 'x')).body.granted).toMatchObject({
      components: ['keboola.ex-db'],
    })
    const piped = await world.run(['token', 'sales', '--rights', '-', '--purpose', 'x', '--json'], {
      input: '{"buckets":{"in.c-crm":"read"}}',
    })
    expect(JSON.parse(piped.stdout).granted).toMatchObject({ buckets: { 'in.c-crm': 'read' } })
    expect((await json('token', 'sales', '--rights', `${file}.none`, '--purpose', 'x')).code).toBe(5)
  })

  it('K-22: rights that the upstream left out are said, where a pipe does not hide it', async () => {
    world.app.demo.modes.set({ role: 'guest' })
    const { stderr, code } = await run('token', 'sales', '--component', 'keboola.ex-db', ...asked)
    world.app.demo.modes.set({ role: null })
    expect([code, stderr]).toEqual([0, expect.stringContaining('Not granted: component keboola.ex-db, read in.c-crm')])
  })
})

describe('what is said wrongly, or not at all, makes nothing', () => {
  it.each([
    ['no rights', ['sales', '--purpose', 'x'], 'What may it do?'],
    ['no purpose', ['sales', '--bucket', 'in.c-crm'], 'What is it for?'],
    ['another kind’s flag', ['sales', '--scope', 'x', '--purpose', 'x'], "Unknown option '--scope'"],
    [
      'a right that there is not',
      ['sales', '--bucket', 'x=manage', '--purpose', 'x'],
      '--bucket is an id, or ID=read or ID=write',
    ],
    ['rules beside rights', ['sales', '--bucket', 'x', '--read-only', '--purpose', 'x'], 'has rules alone'],
    [
      'rules for an upstream’s token',
      ['sales', '--read-only', '--strategy', 'mint', '--purpose', 'x'],
      'Rules are for',
    ],
    [
      'a way that is not offered',
      ['sales', '--bucket', 'x', '--strategy', 'narrow', '--purpose', 'x'],
      'Its OAuth scopes do not distinguish rights',
    ],
    [
      'a life without a unit that is known',
      ['sales', '--bucket', 'x', '--expires', '1 week', '--purpose', 'x'],
      '--expires is a time',
    ],
    ['something more', ['sales', 'else', '--bucket', 'x', '--purpose', 'x'], 'What is "else"?'],
    ['the flags first', ['--bucket', 'x', 'sales', '--purpose', 'x'], 'Name the project before its flags'],
  ])('%s: it is a usage error that says what there is', async (_, args, says) => {
    const before = await states()
    const { code, stdout, stderr } = await run('token', ...args)
    expect([code, stdout, stderr]).toEqual([2, '', expect.stringContaining(says)])
    expect(stderr.split('\n')[0]).toMatch(/^valetkey: /)
    expect(await states()).toEqual(before)
  })

  it('the flags of this kind are listed, each with what it means', async () => {
    const { stderr } = await run('token', 'sales')
    for (const line of [
      /--component <id> +Components whose configurations it may use, by their ids; may be repeated/,
      /--bucket <id>\[=read\|write\] +Buckets/,
      /--manage-buckets +Make and delete buckets/,
      /--allow <"GET \/path\/\*"> +through Valetkey/,
      /--rules tables +through Valetkey: Read tables/,
    ])
      expect(stderr).toMatch(line)
    expect((await run('token', 'reports')).stderr).not.toContain('--bucket')
  })

  it('a project that is not there is not found, and a life beyond policy is refused in the server’s words', async () => {
    expect((await json('token', 'nowhere', ...asked)).code).toBe(5)
    const { code, error } = await json('token', 'sales', ...asked, '--expires', '1d')
    expect([code, error.code, typeof error.message]).toEqual([4, 'over_policy', 'string'])
  })
})

describe('a token that nobody gets', () => {
  it('is revoked where the output is closed', async () => {
    const before = (await live()).length
    const running = world.start(['token', 'sales', ...asked])
    running.child.stdout?.destroy()
    const { code, stderr } = await running.ended
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining('could not be handed over (write EPIPE), so it was revoked'),
    ])
    expect((await live()).length).toBe(before)
    expect((await states()).at(-1)).toBe('revoked')
  })

  it('is revoked where the disk is full', async () => {
    const before = (await live()).length
    const script = join(world.bundle, 'valetkey.js')
    const child = spawn(
      'sh',
      ['-c', 'exec "$0" "$@" > /dev/full', process.execPath, script, 'token', 'sales', ...asked],
      {
        env: world.environment(),
        cwd: world.machine,
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    )
    let said = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect([code, said]).toEqual([1, expect.stringContaining('ENOSPC')])
    expect((await live()).length).toBe(before)
  })

  it('is revoked where Ctrl-C came while it was made', async () => {
    const before = (await live()).length
    const running = world.start(['token', 'sales', ...asked])
    let isMade = false
    world.fates.push((request, response) => {
      if (request.method !== 'POST' || !request.url?.endsWith('/tokens')) return false
      const { end } = response
      // It is made, and its answer comes only after Ctrl-C.
      response.end = ((...given: Parameters<typeof end>) => {
        isMade = true
        running.child.kill('SIGINT')
        void running.says(/Finishing first/).then(() => Reflect.apply(end, response, given))
        return response
      }) as typeof end
      return false
    })
    const { code, stdout, stderr } = await running.ended
    expect([isMade, code, stdout, stderr]).toEqual([true, 130, '', expect.stringContaining('the token was revoked')])
    expect((await live()).length).toBe(before)
    expect((await states()).at(-1)).toBe('revoked')
  })

  it('IK-01: a lost answer costs nothing: the same key goes again and one token is made', async () => {
    const before = (await rows()).length
    loseAnswer('/tokens')
    const { code, stdout } = await run('token', 'sales', ...asked)
    expect([code, await world.app.useToken(stdout.trim())]).toEqual([0, 200])
    expect((await rows()).length).toBe(before + 1)
  })

  it('IK-01: where no answer comes at all the error names the key, under which the same command gets the same token', async () => {
    const before = (await rows()).length
    loseAnswer('/tokens', Number.POSITIVE_INFINITY)
    const { code, error } = await json('token', 'sales', ...asked)
    expect([code, error.code]).toEqual([6, 'no_answer'])
    const key = /--idempotency-key (\S+);/.exec(error.next)?.[1] ?? ''
    world.fates.length = 0
    const { code: again, stdout } = await run('token', 'sales', ...asked, '--idempotency-key', key)
    expect([again, await world.app.useToken(stdout.trim())]).toEqual([0, 200])
    expect((await rows()).length).toBe(before + 1)
  }, 60_000)
})

describe('a server that names a variable which decides what code runs', () => {
  it.each([
    ['env', '"KBC_URL"', '"LD_PRELOAD"', 'LD_PRELOAD'],
    ['json', '"KBC_TOKEN"', '"NODE_OPTIONS"', 'NODE_OPTIONS'],
    ['header', 'X-StorageApi-Token:', 'A: b\\r\\nX-StorageApi-Token:', 'The header'],
  ])('is not believed: nothing is made to be printed as %s', async (format, name, other, says) => {
    const { text } = await world.console('GET', `/tenants/acme/projects/${project}/offer`)
    expect(text).toContain(name)
    world.fates.push((request, response) => {
      if (!request.url?.endsWith('/offer')) return false
      response.writeHead(200, { 'content-type': 'application/json' }).end(text.replace(name, other))
      return true
    })
    const before = (await rows()).length
    const { code, stdout, stderr } = await run('token', 'sales', ...asked, '--format', format)
    expect([code, stdout, stderr]).toEqual([9, '', expect.stringContaining(says)])
    expect((await rows()).length).toBe(before)
  })
})

describe('tokens of oneself', () => {
  it('are listed without their values, and revoked by fingerprint with the three truths', async () => {
    const { body: made } = await json('token', 'sales', ...asked)
    const listed = await json('tokens')
    expect(JSON.stringify(listed.body)).not.toContain(made.value)
    expect(listed.body.tokens.find(({ id }: { id: string }) => id === made.id)).toMatchObject({
      project: 'sales',
      fingerprint: made.fingerprint,
      purpose: 'nightly export',
      state: 'live',
      rights: ['read in.c-crm'],
    })
    expect((await run('tokens')).stdout).toContain(made.fingerprint)
    const { code, stdout } = await run('revoke', made.fingerprint, '--reason', 'done')
    expect([code, stdout]).toEqual([
      0,
      `${made.id}  nightly export, Acme Sales Reporting\n  blocked here           yes\n  upstream               seen to refuse it\n  could still work until over\n`,
    ])
    expect(await world.app.useToken(made.value)).toBe(401)
    expect((await json('revoke', made.id)).body.revoked).toMatchObject([
      { id: made.id, already: true, blocked_here: true },
    ])
  })

  it('that may still work somewhere end the command with 11', async () => {
    const { body: made } = await json('token', 'sales', ...asked)
    world.app.demo.faults.push(
      'DELETE /v2/storage/tokens/*',
      ...Array.from({ length: 4 }, () => ({ status: 503, body: { kind: 'empty' as const } })),
    )
    const { code, body } = await json('revoke', made.id)
    world.app.demo.faults.clear()
    expect([code, body.revoked[0]]).toMatchObject([
      11,
      { blocked_here: true, upstream: 'pending', latest_moment: expect.any(String) },
    ])
    expect((await run('revoke', made.id)).stdout).toContain('was revoked before')
  })

  it('are revoked all at once, of one project where that is said', async () => {
    await json('token', 'reports', '--scope', 'reports:read', '--purpose', 'x')
    const before = (await json('tokens', '--project', 'reports')).body.total
    const { code, body } = await json('revoke', '--all', '--project', 'reports')
    expect([code, body.revoked.length]).toEqual([0, before])
    expect((await json('tokens')).body.total).toBeGreaterThan(0)
    await run('revoke', '--all')
    expect((await json('tokens')).body.tokens).toEqual([])
    expect((await run('revoke', '--all')).stdout).toContain('nothing was left to revoke')
    expect((await run('tokens')).stdout).toBe('No token of yours lives.\n')
  })

  it('have to be named', async () => {
    expect((await run('revoke')).code).toBe(2)
    expect((await run('revoke', 'a91f03c2', '--all')).code).toBe(2)
    expect((await run('revoke', 'ffffffff')).code).toBe(5)
  })
})

describe('connecting', () => {
  it('opens the console at the project and waits until it is linked again', async () => {
    const running = world.start(['connect', 'sales', '--json'])
    expect((await world.sentTo()).href).toBe(`${world.at.origin}/t/acme/projects/${project}`)
    await running.says(/Go on in your browser/)
    await link('10231')
    const { code, stdout } = await running.ended
    expect([code, JSON.parse(stdout).project]).toMatchObject([0, { alias: 'sales', id: project }])
  }, 30_000)

  it('of another one opens the list, and without a browser only names the address', async () => {
    const running = world.start(['connect'], { env: { BROWSER: '' } })
    await running.says(new RegExp(`Open this address in a browser:\\n {2}${world.at.origin}/t/acme/projects\\n`))
    await link('10232')
    expect(await running.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('is connected') })
  }, 30_000)

  it('ends when nobody does it, and needs nobody for an own API', async () => {
    const late = await run('connect', 'sales', '--timeout', '1s')
    expect([late.code, late.stderr]).toEqual([8, expect.stringContaining('Nothing was linked within 1s')])
    expect((await run('connect', 'reports')).code).toBe(2)
  }, 30_000)
})
