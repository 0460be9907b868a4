// The product as a newcomer starts it, on a data folder of its own that is gone afterwards. It ends with the test runner,
// also with one that was killed, and takes the product along.
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { stopWithParent } from '../../scripts/lib/processes.mjs'

const { DATABASE_URL: _, VALETKEY_DEMO: __, VALETKEY_E2E_DATA: folder, ...env } = process.env
const product = spawn(process.execPath, ['scripts/start.mjs'], {
  stdio: ['inherit', 'pipe', 'pipe'],
  // As npm starts it: then it ends with whoever started it, which is us.
  env: { ...env, VALETKEY_DATA_DIR: folder, npm_lifecycle_event: 'start' },
})
// What it logs is also kept, for traces.spec.ts to search.
const log = createWriteStream(join(folder, 'product.log'))
for (const [from, to] of [
  [product.stdout, process.stdout],
  [product.stderr, process.stderr],
]) {
  from.pipe(to, { end: false })
  from.pipe(log, { end: false })
}
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => product.kill('SIGTERM'))
// Nobody reads what a killed runner would have read.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
stopWithParent(() => product.kill('SIGTERM'))
product.on('exit', async (code) => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code ?? 0)
})
