// Keycloak, for the tests that run against the real server: `npm run test:keycloak`, and `npm test` where Java and Maven are.
// It is fetched by Maven once, built for what the tests ask of it, and kept outside the tree.
import { createHash } from 'node:crypto'
import { cp, mkdir, readdir, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { findProgram } from './debian.mjs'
import { toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

/** The newest that Maven Central has as a distribution. */
const VERSION = process.env.KEYCLOAK_VERSION || '26.7.5'
const ARTIFACT = `org.keycloak:keycloak-quarkus-dist:${VERSION}:zip`
const UNPACK = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1:unpack'
const JAVA_MIN = 21
const LIMIT_MS = 600_000

/** What is settled when it is built. Less starts faster: no consoles, no port for management. */
const SHARED = ['--db=dev-file', '--features-disabled=account,admin,ciba,device-flow,kerberos,organization']
/** A server has token exchange in one of two ways, which is settled when it is built. */
const BUILDS = {
  /** As everybody has it, with delegation, which later versions have by themselves, and two secrets of a client at a time. */
  standard: [...SHARED, '--features=token-exchange-delegation,parameterized-scopes,client-secret-rotation'],
  /** Token exchange of before version 26.2 too, which can impersonate. */
  legacy: [...SHARED, '--features=token-exchange,admin-fine-grained-authz:v1'],
}

const folder = join(
  process.env.XDG_CACHE_HOME || join(homedir(), '.cache'),
  'valetkey',
  `keycloak-${VERSION}-${createHash('sha256').update(JSON.stringify(BUILDS)).digest('hex').slice(0, 8)}`,
)

const isThere = (path) =>
  stat(path).then(
    () => true,
    () => false,
  )

/** The major version of the Java at a home; 0 when there is none. */
async function majorOf(home) {
  const release = await readFile(join(home, 'release'), 'utf8').catch(() => '')
  const hasProgram = await isThere(join(home, 'bin/java'))
  return hasProgram ? Number(/^JAVA_VERSION="(\d+)/m.exec(release)?.[1] ?? 0) : 0
}

/** Home of the first Java that is new enough: what the environment names, then whatever is installed. */
async function findJava(env = process.env) {
  const onPath = await findProgram('java', env)
  const installed = await readdir('/usr/lib/jvm').catch(() => [])
  const homes = [
    env.JAVA_HOME,
    onPath && dirname(dirname(await realpath(onPath))),
    ...installed.map((name) => join('/usr/lib/jvm', name)),
  ]
  for (const home of homes) if (home && (await majorOf(home)) >= JAVA_MIN) return home
}

/** Keycloak as it was installed before, or undefined. */
export async function findKeycloak() {
  const java = await findJava()
  return java && (await isThere(folder)) ? { version: VERSION, java: join(java, 'bin/java'), folder } : undefined
}

/**
 * Installs Keycloak where it is missing.
 * @returns {Promise<string | undefined>} why there is none, in words
 */
export async function ensureKeycloak() {
  const java = await findJava()
  if (!java) return `Java ${JAVA_MIN} or newer is not installed`
  if (await isThere(folder)) return
  const maven = await findProgram('mvn')
  if (!maven) return 'Maven is not installed'
  const making = `${folder}.${process.pid}`
  const fetched = join(making, 'fetched')
  // Where it works Maven leaves marks of its own.
  const options = { cwd: fetched, env: { ...toolEnv(), JAVA_HOME: java }, timeLimitMs: LIMIT_MS }
  try {
    await step(`Installing Keycloak ${VERSION}`, async () => {
      await mkdir(fetched, { recursive: true })
      // Maven compares what comes with its checksum.
      const fetching = [maven, '--quiet', '--batch-mode', '--strict-checksums', UNPACK]
      await runTool([...fetching, `-Dartifact=${ARTIFACT}`, `-DoutputDirectory=${fetched}`], options)
      for (const [name, flags] of Object.entries(BUILDS)) {
        const home = join(making, name)
        await cp(join(fetched, `keycloak-${VERSION}`), home, { recursive: true })
        await runTool(['sh', join(home, 'bin/kc.sh'), 'build', ...flags], options)
      }
      await rm(fetched, { recursive: true })
      // Last, so that what is there is whole. Another run may have been faster.
      await rename(making, folder).catch(async (error) => {
        if (!(await isThere(folder))) throw error
      })
    })
  } catch (error) {
    return `it could not be installed: ${error.message}`
  } finally {
    await rm(making, { recursive: true, force: true })
  }
}
