// What has to be there before anything runs: Node, packages, the Prisma client, bundles. Each part is skipped when nothing
// changed, and marked as done only after it succeeded, so that a half-finished one is done again.
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { Failure } from './fail.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

export const ROOT = resolve(import.meta.dirname, '../..')
const at = (...parts) => join(ROOT, ...parts)
const QUIET = { NEXT_TELEMETRY_DISABLED: '1', CHECKPOINT_DISABLE: '1', PRISMA_HIDE_UPDATE_MESSAGE: '1' }

/** Young objects in 4 MiB instead of 16, and old ones in at most twice what lives: memory, and what it costs (docs/decisions/0122). */
export const SERVER_FLAGS = ['--max-semi-space-size=4', '--heap-growing-percent=100']
/** glibc keeps a heap for each thread otherwise: 30 MiB less at start. Whoever sets it decides. */
export const SERVER_ENV = { MALLOC_ARENA_MAX: '1' }

/** Every setting our tools need to stay silent and on this machine. */
export const toolEnv = () => ({ ...process.env, ...QUIET })

/** @throws {Failure} on a Node older than the floor in package.json */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    throw new Failure(`Valetkey needs Node 20.19 or newer, this is ${version}. Install a newer one from nodejs.org.`)
}

/** Installs exactly what package-lock.json says when node_modules is missing, unfinished or older. */
export async function installPackages() {
  // npm writes this file last, so it tells a finished installation from one that was cut off.
  const [installed, locked] = await Promise.all([
    stat(at('node_modules/.package-lock.json')).catch(() => null),
    stat(at('package-lock.json')),
  ])
  if (installed && installed.mtimeMs >= locked.mtimeMs) return
  await step('Installing packages', () =>
    npm('ci')
      .catch(async (error) => {
        if (!/EUSAGE/.test(error.output)) throw error
        if (await lacksOptionalOnly(error.output)) return npm('install', '--no-save')
        throw new Failure('package.json and package-lock.json disagree. Run npm install in a clean clone, commit both.')
      })
      .catch((error) => {
        if (!/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ECONNRESET/.test(error.output)) throw error
        throw new Failure('The npm registry is not reachable, so packages are missing. Go online and start again.')
      }),
  )
}

/** Runs npm without install scripts and without touching package-lock.json. */
function npm(...command) {
  const path = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm']
  // Development packages too: the build needs them, whatever NODE_ENV says.
  const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--include=dev']
  return runTool([...path, ...command, ...flags], { cwd: ROOT, env: toolEnv() })
}

/**
 * True when all that `npm ci` misses in the lockfile are optional packages of other platforms. A lockfile written from a
 * registry that does not carry them cannot name them, and npm 11 then refuses the whole of it, which still pins the rest.
 */
async function lacksOptionalOnly(output) {
  if (/Invalid:/.test(output)) return false
  const { packages } = JSON.parse(await readFile(at('package-lock.json'), 'utf8'))
  const optional = new Set(Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {})))
  const missing = [...output.matchAll(/Missing: (\S+)@\S* from lock file/g)].map(([, name]) => name)
  return missing.length > 0 && missing.every((name) => optional.has(name))
}

/** Generates the Prisma client when the schema changed. */
export const generateClient = () =>
  whenChanged('prisma', ['prisma/schema.prisma', 'package-lock.json'], 'prisma/generated/client.ts', () =>
    step('Generating the Prisma client', () => runTool(nodeTool('prisma', 'generate'), { cwd: ROOT, env: toolEnv() })),
  )

/** `app` too: the server serves route handlers from there on its fast paths. */
export const SERVER_SOURCES = [
  'app',
  'lib',
  'prisma/schema.prisma',
  'server.ts',
  'package.json',
  'package-lock.json',
  'tsconfig.json',
]
export const DEMO_SOURCES = ['demo', 'package-lock.json']
const APP_SOURCES = [...SERVER_SOURCES, 'public', 'instrumentation.ts', 'next.config.mjs', 'postcss.config.mjs']

/** dist/server.mjs */
export const bundleServer = () =>
  whenChanged('server', SERVER_SOURCES, 'dist/server.mjs', () =>
    step('Bundling the server', () => bundle('server.ts', 'dist/server.mjs')),
  )

/** dist/demo.mjs */
export const bundleDemo = () =>
  whenChanged('demo', DEMO_SOURCES, 'dist/demo.mjs', () =>
    step('Bundling the demo upstream', () => bundle('demo/main.ts', 'dist/demo.mjs')),
  )

/** .next */
export const buildApp = () =>
  whenChanged('app', APP_SOURCES, '.next/BUILD_ID', () =>
    step('Building the pages', () =>
      runTool(nodeTool('next', 'build'), { cwd: ROOT, env: { ...toolEnv(), NODE_ENV: 'production' } }),
    ),
  )

/** cli/dist; nothing is printed, because the command's own output follows. */
export const bundleCommand = () =>
  whenChanged(
    'command',
    ['cli/src', 'cli/build.mjs', 'cli/package.json', 'lib/client', 'lib/audit', 'package-lock.json'],
    'cli/dist/valetkey.js',
    async () => {
      const { buildCommand } = await import('../../cli/build.mjs')
      await buildCommand()
    },
  )

/**
 * @returns the inputs, by path
 * @throws {Failure} what does not compile
 */
export async function bundle(entry, outfile, { write = true } = {}) {
  const { build } = await import('esbuild')
  try {
    const { metafile } = await build({
      absWorkingDir: ROOT,
      entryPoints: [entry],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      packages: 'external',
      sourcemap: true,
      logLevel: 'silent',
      metafile: true,
      write,
    })
    return Object.keys(metafile.inputs)
  } catch (error) {
    throw new Failure(`${entry} could not be bundled:\n${error.message}`)
  }
}

/** Command line of an installed tool, without npx and its look-ups. */
export const nodeTool = (name, ...args) => [process.execPath, at('node_modules/.bin', name), ...args]

/** Runs `work` unless `output` exists and `sources` have the contents they had when it last succeeded. */
async function whenChanged(name, sources, output, work) {
  const stampFile = at('dist', `.${name}.stamp`)
  const [now, then, made] = await Promise.all([
    hashOf(sources),
    readFile(stampFile, 'utf8').catch(() => ''),
    stat(at(output)).catch(() => null),
  ])
  if (made && now === then) return
  await rm(stampFile, { force: true })
  await work()
  await mkdir(at('dist'), { recursive: true })
  await writeFile(stampFile, now)
}

async function hashOf(sources) {
  const files = (await Promise.all(sources.map((source) => filesUnder(source)))).flat().sort()
  const contents = await Promise.all(files.map((file) => readFile(at(file))))
  const hash = createHash('sha256').update(process.versions.node)
  files.forEach((file, index) => {
    hash.update(`\0${file}\0`).update(contents[index])
  })
  return hash.digest('hex')
}

async function filesUnder(source) {
  const entry = await stat(at(source)).catch(() => null)
  if (!entry) return []
  if (!entry.isDirectory()) return [source]
  const found = await readdir(at(source), { recursive: true, withFileTypes: true })
  return found.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name).slice(ROOT.length + 1))
}
