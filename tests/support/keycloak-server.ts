import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, open, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Agent, fetch } from 'undici'
import { newPassword } from '../../scripts/lib/database.mjs'
import { lastLines } from '../../scripts/lib/fail.mjs'
import { type Build, findKeycloak } from '../../scripts/lib/keycloak.mjs'
import { freePort, hasEnded, waitFor } from '../../scripts/lib/processes.mjs'
import { RESULTS_DIR } from '../../scripts/lib/stages.mjs'
import { selfSigned } from './certificate.ts'

/** Paths of a key and of the certificate that vouches for itself, which whoever connects has to trust. */
export type Tls = { key: string; cert: string }

/** What a test needs to know of a server that runs. */
export type Address = { origin: string; adminPassword: string }

export type KeycloakServer = Address & {
  /** Asks it to end, as for a restart. */
  end(): Promise<void>
  /** Starts it again, at the same address and with what it had. */
  start(): Promise<void>
  /** Ends it and removes what it had. */
  stop(): Promise<void>
}

const READY_LIMIT_MS = 300_000

/** A minute of work in a process that lives for minutes: nothing is worth to be optimised for long. */
export const VIRTUAL_MACHINE = ['-Xms64m', '-Xmx700m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1']
/** As bin/kc.sh starts it. */
const OPENED = ['java.util', 'java.util.concurrent', 'java.security', 'java.lang'].map(
  (name) => `--add-opens=java.base/${name}=ALL-UNNAMED`,
)
const FACTORY = 'io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory'

/** A certificate for localhost in a folder of its own, made anew. */
export async function makeTls(folder: string): Promise<Tls> {
  const { key, cert } = selfSigned('localhost', { isAuthority: true })
  const paths = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') }
  await writeFile(paths.key, key, { mode: 0o600 })
  await writeFile(paths.cert, cert)
  return paths
}

/**
 * The real Keycloak on a loopback port, by https, with a database of its own and nothing in it but its admin. It ends with
 * the process that started it, however that ends. What it wrote stays in .data/test-results, named after `name`.
 */
export async function startKeycloak({ name, tls, build = 'standard', onSpawn }: Options): Promise<KeycloakServer> {
  const installed = await findKeycloak()
  if (!installed) throw new Error('Keycloak is not installed: npm run test:keycloak installs it')
  const home = await mkdtemp(join(tmpdir(), 'valetkey-keycloak-'))
  // The program is shared; what it writes is its own.
  for (const part of ['lib', 'conf', 'providers', 'themes'])
    await symlink(join(installed.folder, build, part), join(home, part))
  await mkdir(RESULTS_DIR, { recursive: true })
  const logFile = join(RESULTS_DIR, `keycloak-${name}.log`)
  await rm(logFile, { force: true })
  const port = await freePort()
  const origin = `https://localhost:${port}`
  const adminPassword = newPassword()
  let child: ReturnType<typeof spawn> | undefined
  let watch: ReturnType<typeof spawn> | undefined

  async function start() {
    const log = await open(logFile, 'a', 0o600)
    child = spawn(
      installed?.java ?? '',
      [
        ...VIRTUAL_MACHINE,
        ...OPENED,
        '--enable-native-access=ALL-UNNAMED',
        `-Djava.util.concurrent.ForkJoinPool.common.threadFactory=${FACTORY}`,
        `-Dkc.home.dir=${home}`,
        ...['-cp', join(home, 'lib/quarkus-run.jar'), 'io.quarkus.bootstrap.runner.QuarkusEntryPoint'],
        // Alone: otherwise it looks for others of its kind, on all interfaces.
        ...[
          'start',
          '--optimized',
          '--cache=local',
          '--http-host=127.0.0.1',
          `--https-port=${port}`,
          `--hostname=${origin}`,
        ],
        ...[`--https-certificate-file=${tls.cert}`, `--https-certificate-key-file=${tls.key}`],
      ],
      {
        cwd: home,
        env: {
          ...process.env,
          KC_BOOTSTRAP_ADMIN_USERNAME: 'admin',
          KC_BOOTSTRAP_ADMIN_PASSWORD: adminPassword,
        },
        stdio: ['ignore', log.fd, log.fd],
      },
    )
    child.on('error', () => {})
    await log.close()
    // Its pipe closes when we are gone. In a group of its own, so that it is not gone first.
    watch = spawn('sh', ['-c', 'read _; kill -9 "$0"; rm -rf "$1"', String(child.pid), home], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    })
    if (child.pid) onSpawn?.(child.pid)
    const dispatcher = new Agent({ connect: { ca: await readFile(tls.cert, 'utf8') } })
    const isUp = () =>
      fetch(`${origin}/realms/master/.well-known/openid-configuration`, { dispatcher }).then(
        async (answer) => {
          await answer.text()
          return answer.ok
        },
        () => false,
      )
    const up = await waitFor(async () => hasEnded(child) || isUp(), READY_LIMIT_MS, 100)
    await dispatcher.close()
    if (up && !hasEnded(child)) return
    await end('SIGKILL')
    throw new Error(`Keycloak did not start:\n${lastLines(await readFile(logFile, 'utf8'), 30)}`)
  }

  async function end(signal: NodeJS.Signals) {
    if (child && !hasEnded(child)) {
      const ended = once(child, 'exit')
      child.kill(signal)
      await ended
    }
    watch?.kill('SIGKILL')
  }

  async function stop() {
    await end('SIGKILL')
    await rm(home, { recursive: true, force: true })
  }

  await start().catch(async (error: unknown) => {
    await stop()
    throw error
  })
  return { origin, adminPassword, start, end: () => end('SIGTERM'), stop }
}

type Options = { name: string; tls: Tls; build?: Build; onSpawn?: (pid: number) => void }
