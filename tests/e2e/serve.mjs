// The product as a newcomer starts it, on a data folder of its own that is gone afterwards.
import { spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'

const { DATABASE_URL: _, VALETKEY_DEMO: __, VALETKEY_E2E_DATA: folder, ...env } = process.env
const product = spawn(process.execPath, ['scripts/start.mjs'], {
  stdio: ['inherit', 'pipe', 'pipe'],
  env: { ...env, VALETKEY_DATA_DIR: folder },
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
product.on('exit', async (code) => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code ?? 0)
})
