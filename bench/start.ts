// npm run bench:cli: how long the command takes to start, beside Node alone and npm. Medians of rounds in which each is started in turn.
import { spawnSync } from 'node:child_process'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { buildCommand } from '../cli/build.mjs'

const rounds = Number(process.argv[2] ?? 15)
const script = resolve(import.meta.dirname, '../cli/dist/valetkey.js')
await buildCommand(join(script, '..'))
const npm = spawnSync('which', ['npm'], { encoding: 'utf8' }).stdout.trim()

const starts: Record<string, string[]> = {
  'node -e 0': ['-e', '0'],
  'valetkey --version': [script, '--version'],
  'valetkey --help': [script, '--help'],
  'valetkey link': [script, 'link'],
  'npm --version': [npm, '--version'],
}

/** Milliseconds until it has ended. */
function measure(args: string[]): number {
  const began = performance.now()
  spawnSync(process.execPath, args, {
    cwd: tmpdir(),
    stdio: 'ignore',
    env: { ...process.env, VALETKEY_SERVER: 'https://valetkey.example' },
  })
  return performance.now() - began
}

const seen = Object.entries(starts).map(([name, args]) => ({ name, args, took: [] as number[] }))
for (let round = 0; round < rounds; round += 1) for (const { args, took } of seen) took.push(measure(args))

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
const bare = median(seen[0]?.took ?? [])
for (const { name, took } of seen) {
  const middle = median(took)
  console.log(
    `${name.padEnd(20)} ${middle.toFixed(0).padStart(5)} ms   ${(middle - bare).toFixed(0).padStart(5)} ms above bare Node`,
  )
}
