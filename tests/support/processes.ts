import { type ChildProcess, fork } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { build } from 'esbuild'
import type { Config } from '../../lib/config.ts'
import type { Command, FromWorker, Replies, ToWorker } from './worker.ts'

const root = resolve(import.meta.dirname, '../..')

/** One app process; `kill` is SIGKILL, to this process and no other. */
export type Worker = {
  /** @throws Error when the process ended before it answered */
  ask<K extends Command['kind']>(command: Extract<Command, { kind: K }>): Promise<Replies[K]>
  /** Resolves when so many callers hold at the point that was armed last. */
  reached(count?: number): Promise<void>
  kill(): Promise<void>
  /** SIGTERM; resolves with the status when it has ended. */
  stop(): Promise<number | null>
}
type Started = Worker & {
  /** Lets the processes that follow begin with what this one has compiled by now. */
  keepCompiled(): void
}

export type Processes = {
  start(config: Config, options?: { offsetMilliseconds?: number; realWaits?: boolean }): Promise<Worker>
  /** Ends every process that is left. What they wrote to standard error is thrown. */
  stop(): Promise<void>
}

let bundling: Promise<string> | undefined

/** The entry of app processes, bundled once a process of ours and removed with it. */
async function bundleEntry(): Promise<string> {
  await mkdir(join(root, 'dist'), { recursive: true })
  const folder = await mkdtemp(join(root, 'dist/worker-'))
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
  // How Vitest ends the processes that run its files.
  process.once('SIGTERM', () => process.exit())
  const entry = join(folder, 'worker.cjs')
  await build({
    absWorkingDir: root,
    entryPoints: ['tests/support/worker.ts'],
    outfile: entry,
    bundle: true,
    platform: 'node',
    target: 'node20',
    // Packages included: a process starts in half the time that it takes to find them one by one.
    format: 'cjs',
    banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href" },
    define: { 'import.meta.url': 'bundleUrl' },
    // A script that is kept compiled has no import().
    supported: { 'dynamic-import': false },
    logLevel: 'silent',
  })
  return entry
}

/** App processes of one test file or bench. */
export async function bundleProcesses(): Promise<Processes> {
  bundling ??= bundleEntry()
  const entry = await bundling
  const alive = new Set<Worker>()
  const noise: string[] = []
  return {
    async start(config, { offsetMilliseconds = 0, realWaits = false } = {}) {
      const worker = startWorker(entry, { realWaits, noise }, (ended) => alive.delete(ended))
      alive.add(worker)
      await worker.ask({ kind: 'clock', offsetMilliseconds })
      await worker.ask({ kind: 'start', config, realWaits })
      if (!existsSync(`${entry}.compiled`)) worker.keepCompiled()
      return worker
    },
    async stop() {
      await Promise.all([...alive].map((worker) => worker.kill()))
      if (noise.length > 0) throw new Error(`an app process wrote to standard error:\n${noise.join('')}`)
    },
  }
}

function startWorker(
  entry: string,
  { realWaits, noise }: { realWaits: boolean; noise: string[] },
  onEnd: (worker: Worker) => void,
): Started {
  const child: ChildProcess = fork(join(import.meta.dirname, 'launch.cjs'), [entry], {
    // Prisma reads relations at once in one transaction, which pg 8 calls deprecated; that is no noise of ours. Its query
    // compiler is WebAssembly: to optimise it takes a core for half a second, longer than most of these processes live.
    // Only where time is measured is it worth that.
    execArgv: ['--no-deprecation', ...(realWaits ? [] : ['--liftoff-only'])],
    env: { ...process.env, NODE_ENV: 'test', NODE_OPTIONS: '' },
    // Structured clones: the configuration holds key bytes.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  child.stderr?.on('data', (chunk: Buffer) => noise.push(chunk.toString()))
  const waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>()
  let holding = 0
  let watching: { count: number; resolve: () => void; reject: (error: Error) => void }[] = []
  let ids = 0
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (status, signal) => {
      const error = new Error(`the app process ended (${signal ?? status})`)
      for (const { reject } of [...waiting.values(), ...watching]) reject(error)
      onEnd(worker)
      resolve()
    })
  })
  child.on('message', (message: FromWorker) => {
    if ('reached' in message) {
      holding += 1
      for (const { count, resolve } of watching) if (holding >= count) resolve()
      watching = watching.filter(({ count }) => holding < count)
      return
    }
    const asked = waiting.get(message.id)
    waiting.delete(message.id)
    if ('failure' in message) asked?.reject(new Error(message.failure))
    // The other end of the same program, compiled against the same types.
    else asked?.resolve(message.value as never)
  })
  const worker: Started = {
    keepCompiled: () => void child.kill('SIGUSR2'),
    ask(command) {
      ids += 1
      if (command.kind === 'hold') holding = 0
      const message: ToWorker = { id: ids, command }
      return new Promise((resolve, reject) => {
        waiting.set(message.id, { resolve, reject })
        child.send(message, (error) => error && reject(error))
      })
    },
    reached: (count = 1) =>
      holding >= count
        ? Promise.resolve()
        : new Promise((resolve, reject) => void watching.push({ count, resolve, reject })),
    async kill() {
      // Whoever still waits for an answer expects this end.
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
      return child.exitCode
    },
  }
  return worker
}
