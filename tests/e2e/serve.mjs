// The product as a newcomer starts it, on a data folder of its own that is gone afterwards.
import { spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'

const { DATABASE_URL: _, VALETKEY_DEMO: __, VALETKEY_E2E_DATA: folder, ...env } = process.env
const product = spawn(process.execPath, ['scripts/start.mjs'], {
  stdio: 'inherit',
  env: { ...env, VALETKEY_DATA_DIR: folder },
})
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => product.kill('SIGTERM'))
product.on('exit', async (code) => {
  await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  process.exit(code ?? 0)
})
