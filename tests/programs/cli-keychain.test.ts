// Credentials in a real Secret Service: a session bus and a keyring of its own.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKeyring } from '../../scripts/lib/test-programs.mjs'
import { type CliWorld, startCliWorld } from '../support/cli.ts'

describe.skipIf(!(await hasKeyring()))('where there is a keychain', () => {
  let world: CliWorld
  let session: ChildProcess
  let runtime: string
  let address: string
  beforeAll(async () => {
    world = await startCliWorld()
    runtime = await mkdtemp(join(tmpdir(), 'valetkey-session-'))
    // The session lives as long as its shell reads.
    const script =
      'printf keyring | gnome-keyring-daemon --unlock --components=secrets >&2; echo "$DBUS_SESSION_BUS_ADDRESS"; read -r _'
    const env = {
      PATH: process.env.PATH,
      HOME: world.machine,
      XDG_RUNTIME_DIR: runtime,
    } as unknown as NodeJS.ProcessEnv
    session = spawn('dbus-run-session', ['--', 'sh', '-c', script], { env, stdio: ['pipe', 'pipe', 'ignore'] })
    const [line] = (await once(session.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
    address = line.toString().trim()
  })
  afterAll(async () => {
    const ended = once(session, 'exit')
    session.stdin?.end()
    await ended
    await rm(runtime, { recursive: true, force: true })
    await world.stop()
  })

  it('credentials are kept there, renewed there and removed there, and no file of ours has them', async () => {
    const env = { DBUS_SESSION_BUS_ADDRESS: address }
    const login = await world.login({ env })
    expect([login.code, login.stdout]).toEqual([0, expect.stringContaining('the keychain (Secret Service)')])
    await world.app.advance(3700)
    const status = await world.run(['status', '--json'], { env })
    expect(JSON.parse(status.stdout).accounts[0].state).toBe('refreshed')
    const home = join(world.machine, '.config/valetkey')
    expect((await readdir(home)).sort()).toEqual(['accounts.json', 'locks'])
    expect(await readFile(join(home, 'accounts.json'), 'utf8')).not.toMatch(/vk_[a-z]{2}_/)
    // Without the session's bus they cannot be had, and the sign-in is not taken for lost.
    const alone = await world.run(['whoami'])
    expect([alone.code, alone.stderr]).toEqual([1, expect.stringContaining('VALETKEY_VAULT=file')])
    expect((await world.run(['logout'], { env })).code).toBe(0)
    expect((await world.run(['whoami', '--server', world.at.origin], { env })).code).toBe(3)
  })
})
