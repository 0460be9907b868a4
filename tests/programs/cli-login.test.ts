import { spawn } from 'node:child_process'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

let world: CliWorld
beforeAll(async () => {
  world = await startCliWorld()
})
afterAll(() => world.stop())
afterEach(() => {
  world.fates.length = 0
})

const home = () => join(world.machine, '.config/valetkey')
const kept = async () => JSON.parse(await readFile(join(home(), 'credentials.json'), 'utf8')) as Record<string, string>
const key = () => `${world.at.origin}/t/acme`
const credentials = async () =>
  JSON.parse((await kept())[key()] ?? '{}') as { access_token: string; refresh_token: string }
/** A process that runs the command as often as it is asked. */
function startWorker(offset: number) {
  const child = spawn(
    process.execPath,
    ['tests/support/cli-worker.mjs', join(world.bundle, 'run.js'), String(offset)],
    {
      env: world.environment(),
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async run(args: string[]): Promise<{ code: number; output: string }> {
      child.stdin.write(`${JSON.stringify(args)}\n`)
      return JSON.parse((await lines.next()).value ?? '{}')
    },
    stop: () => child.kill(),
  }
}

const grants = (where = 'true') =>
  world.app.rows('acme', `SELECT id, end_cause FROM oauth_grant WHERE ${where} ORDER BY created_at`)

it('O-12 a login by loopback keeps its tokens in a file that is its owner’s alone, and prints none', async () => {
  const { code, stdout, stderr } = await world.login()
  expect([code, stdout]).toEqual([0, expect.stringContaining('Signed in to')])
  expect((await stat(join(home(), 'credentials.json'))).mode & 0o777).toBe(0o600)
  expect((await stat(home())).mode & 0o777).toBe(0o700)
  const { access_token, refresh_token } = await credentials()
  for (const secret of [access_token, refresh_token]) expect(stdout + stderr).not.toContain(secret)
  const me = await world.run(['whoami', '--json'])
  expect(JSON.parse(me.stdout)).toMatchObject({ server: world.at.origin, tenant: 'acme', role: 'owner' })
})

it('K-37 another login ends the one of before, once its own is kept', async () => {
  const before = await credentials()
  expect((await world.login()).code).toBe(0)
  expect((await credentials()).refresh_token).not.toBe(before.refresh_token)
  expect(await grants('end_cause IS NULL')).toHaveLength(1)
})

it('K-38 an access token that is over is refreshed, and the sign-in is said to live', async () => {
  const before = await credentials()
  await world.app.advance(3700)
  const { code, stdout } = await world.run(['status', '--json'])
  expect([code, JSON.parse(stdout).accounts[0].state]).toEqual([0, 'refreshed'])
  const after = await credentials()
  expect([after.access_token === before.access_token, after.refresh_token === before.refresh_token]).toEqual([
    false,
    false,
  ])
  expect(JSON.parse((await world.run(['status', '--json'])).stdout).accounts[0].state).toBe('live')
})

it('K-38 a server that does not answer is degraded, whatever it answers with, and nothing is lost', async () => {
  const before = await credentials()
  world.fates.push((_request, response) => {
    response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>down</h1>')
    return true
  })
  const { code, stdout } = await world.run(['status', '--json'])
  expect([code, JSON.parse(stdout).accounts[0].state]).toEqual([10, 'degraded'])
  expect(await credentials()).toEqual(before)
})

it('K-11 two processes that are refused at once, their clocks five minutes apart, refresh once, two hundred times', async () => {
  const workers = [0, 300_000].map((offset) => startWorker(offset))
  try {
    for (let round = 0; round < 200; round += 1) {
      await world.app.rows(
        'acme',
        `UPDATE access_token SET expires_at = vk_now() - interval '1 second' WHERE expires_at > vk_now()`,
      )
      world.requests.length = 0
      const answers = await Promise.all(workers.map((worker) => worker.run(['whoami', '--json'])))
      expect(answers.map(({ code, output }) => [code, code === 0 ? '' : output])).toEqual([
        [0, ''],
        [0, ''],
      ])
      expect(world.requests.filter((request) => request === 'POST /oauth/token')).toHaveLength(1)
    }
    expect(await grants('end_cause IS NULL')).toHaveLength(1)
  } finally {
    for (const worker of workers) worker.stop()
  }
}, 120_000)

it('K-11 ten new processes that are refused at once refresh once', async () => {
  await world.app.advance(3700)
  world.requests.length = 0
  const runs = await Promise.all(Array.from({ length: 10 }, () => world.run(['whoami', '--json'])))
  expect(runs.map(({ code, stderr }) => [code, stderr])).toEqual(runs.map(() => [0, '']))
  expect(world.requests.filter((request) => request === 'POST /oauth/token')).toHaveLength(1)
}, 60_000)

it('a refresh whose answer was lost is repeated, and gets the same tokens', async () => {
  await world.app.advance(3700)
  world.fates.push((request, response) => {
    if (request.url !== '/oauth/token') return false
    world.fates.length = 0
    // The product does its work, and its answer reaches nobody.
    const { end } = response
    response.end = (() => {
      request.socket.destroy()
      return response
    }) as typeof end
    return false
  })
  expect((await world.run(['whoami'])).code).toBe(0)
  expect(await grants('end_cause IS NULL')).toHaveLength(1)
})

it('O-17 logging out ends the grant at the server and leaves nothing here; once more is no error of the server’s', async () => {
  const { refresh_token } = await credentials()
  const { code, stdout } = await world.run(['logout'])
  expect([code, stdout]).toEqual([0, expect.stringContaining('signed out')])
  expect(await readFile(join(home(), 'credentials.json'), 'utf8')).not.toContain(refresh_token)
  expect(await grants('end_cause IS NULL')).toEqual([])
  expect((await world.run(['whoami'])).code).toBe(2)
  expect((await world.run(['whoami', '--server', world.at.origin])).code).toBe(3)
})

it('a sign-out that the server does not confirm forgets nothing, unless it is forced', async () => {
  await world.login()
  world.fates.push((request) => {
    if (request.url !== '/oauth/revoke') return false
    request.socket.destroy()
    return true
  })
  const refused = await world.run(['logout'])
  expect([refused.code, refused.stderr]).toEqual([6, expect.stringContaining('does not answer')])
  expect((await credentials()).refresh_token).toBeDefined()
  const forced = await world.run(['logout', '--force'])
  expect([forced.code, forced.stdout]).toEqual([11, expect.stringContaining('did not confirm')])
  expect(await kept()).toEqual({})
})

it('K-38 a sign-in that was revoked in the console is expired, says so, and stays in the list', async () => {
  await world.login()
  const grant = ((await grants('end_cause IS NULL')) as { id: string }[]).at(-1)
  const { status, text } = await world.console('POST', '/tenants/acme/revocations', { grants: [grant?.id] })
  expect(status, text).toBeLessThan(300)
  for (const _ of [1, 2]) {
    const { code, stdout } = await world.run(['status', '--json'])
    expect([code, JSON.parse(stdout).accounts[0]]).toEqual([
      10,
      expect.objectContaining({ state: 'expired', detail: expect.stringContaining('is over') }),
    ])
  }
  expect(await kept()).toEqual({})
  const { code, stderr } = await world.run(['whoami'])
  expect([code, stderr]).toEqual([3, expect.stringMatching(/is over.*\n {2}Sign in again: valetkey login/)])
})

it('O-22 a denial in the browser ends the login at once', async () => {
  const running = world.start(['login', world.at.origin])
  const url = await world.sentTo()
  const back = new URL(url.searchParams.get('redirect_uri') ?? '')
  back.search = new URLSearchParams({
    error: 'access_denied',
    state: url.searchParams.get('state') ?? '',
    iss: world.at.origin,
  }).toString()
  const page = await fetch(back)
  expect([page.status, page.headers.get('cache-control')]).toEqual([200, 'no-store'])
  expect(await running.ended).toMatchObject({ code: 8, stderr: expect.stringContaining('denied') })
})

it('K-13 an answer with another state, another path or another issuer signs nobody in', async () => {
  const running = world.start(['login', world.at.origin])
  const url = await world.sentTo()
  const redirect = url.searchParams.get('redirect_uri') ?? ''
  expect((await fetch(`${redirect}?code=x&state=another&iss=${world.at.origin}`)).status).toBe(400)
  expect((await fetch(redirect.replace('/callback', '/'))).status).toBe(404)
  expect((await fetch(redirect, { method: 'POST' })).status).toBe(404)
  await fetch(
    `${redirect}?${new URLSearchParams({ code: 'x', state: url.searchParams.get('state') ?? '', iss: 'https://other.example' })}`,
  )
  expect((await running.ended).code).not.toBe(0)
})

it('O-24 whatever answers instead of Valetkey is one line, without a trace', async () => {
  const answers: [string, string | undefined, number][] = [
    ['<html>Sign in to the Wi-Fi</html>', 'text/html', 200],
    ['', undefined, 200],
    ['{"device_code":', 'application/json', 200],
    ['{"user_code":"ABCD-EFGH"}', 'application/json', 200],
    ['nope', 'text/plain', 404],
  ]
  for (const [body, type, status] of answers) {
    world.fates.length = 0
    world.fates.push((_request, response) => {
      response.writeHead(status, type ? { 'content-type': type } : {}).end(body)
      return true
    })
    const { code, stderr } = await world.run(['login', world.at.origin, '--device'], { env: { BROWSER: '' } })
    expect([body, code, stderr]).toEqual([
      body,
      9,
      expect.stringMatching(/^valetkey: What answers at .*\n {2}.*doctor\n$/),
    ])
  }
})

it('O-14 the server is the flag’s, the environment’s, the folder’s or the default; without any the error shows all four', async () => {
  const lost = await world.run(['whoami'], { env: { VALETKEY_HOME: join(world.machine, 'empty') } })
  expect(lost.code).toBe(2)
  for (const part of ['--server', 'VALETKEY_SERVER', '.valetkey/config.json', 'default', 'valetkey login'])
    expect(lost.stderr).toContain(part)
  await world.run(['link', '--server', 'https://folder.example/t/acme'])
  const from = async (args: string[], env = {}) =>
    JSON.parse((await world.run(['link', '--json', ...args], { env })).stdout)
  expect(await from([])).toMatchObject({
    server: 'https://folder.example',
    tenant: 'acme',
    from: expect.stringContaining('config.json'),
  })
  expect(await from([], { VALETKEY_SERVER: 'https://env.example' })).toMatchObject({
    server: 'https://env.example',
    from: 'VALETKEY_SERVER',
  })
  expect((await world.run(['link', '--remove'])).code).toBe(0)
  expect((await world.run(['whoami', '--server', 'http://plain.example'])).stderr).toContain('no TLS')
})

it('O-13 a token of the environment counts before what is stored', async () => {
  const { code, stderr } = await world.run(['whoami', '--server', world.at.origin], {
    env: { VALETKEY_TOKEN: 'vk_at_of_nobody' },
  })
  expect([code, stderr]).toEqual([3, expect.stringContaining('Sign in again')])
})

it('a server that asks to wait is waited for, which is said; for too long a wait the command ends with 7', async () => {
  await world.login()
  let times = 0
  const busy = (seconds: number) => {
    world.fates[0] = (_request, response) => {
      times += 1
      if (seconds < 10) world.fates.length = 0
      response.writeHead(429, { 'retry-after': String(seconds), 'content-type': 'application/problem+json' })
      response.end(
        JSON.stringify({
          code: 'rate_limited',
          title: 'Too many requests',
          status: 429,
          next: 'Wait.',
          request_id: '',
        }),
      )
      return true
    }
  }
  busy(1)
  const waited = await world.run(['whoami'])
  expect([waited.code, times, waited.stderr]).toEqual([0, 1, 'The server asks to wait: going on in 1 s.\n'])
  busy(600)
  const { code, stderr } = await world.run(['whoami'])
  expect([code, times, stderr]).toEqual([7, 2, 'valetkey: Too many requests\n  Try again in 600 seconds.\n'])
  expect((await world.run(['logout', '--force'])).code).toBe(11)
})

it('O-13 a token of the environment goes to no server that a folder or a default alone names', async () => {
  const folder = join(world.machine, 'cloned')
  await mkdir(folder)
  await world.run(['link', '--server', `${world.at.origin}/t/acme`], { cwd: folder })
  world.requests.length = 0
  const { code, stderr } = await world.run(['whoami'], { cwd: folder, env: { VALETKEY_TOKEN: 'vk_at_of_a_build' } })
  expect([code, stderr]).toEqual([2, expect.stringContaining('VALETKEY_SERVER')])
  expect(world.requests).toEqual([])
})

it('a file of credentials that others can read, or that is broken, is not used and not overwritten', async () => {
  await world.login()
  const file = join(home(), 'credentials.json')
  const text = await readFile(file, 'utf8')
  await chmod(file, 0o644)
  expect((await world.run(['whoami'])).stderr).toContain(`chmod 600 ${file}`)
  await chmod(file, 0o600)
  await writeFile(file, text.slice(0, 40))
  expect((await world.run(['whoami'])).stderr).toContain('is not JSON')
  expect((await world.run(['logout'])).code).toBe(1)
  expect(await readFile(file, 'utf8')).toBe(text.slice(0, 40))
  await writeFile(file, text)
})
