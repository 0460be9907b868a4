import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defineConfig } from 'playwright/test'

// Decided once, in the first process; the workers inherit them.
process.env.VALETKEY_E2E_PORT ??= freePort()
process.env.VALETKEY_E2E_CONTROL ??= randomBytes(24).toString('base64url')
process.env.VALETKEY_E2E_DATA ??= mkdtempSync(join(tmpdir(), 'valetkey-e2e-'))
const { VALETKEY_E2E_PORT: port, VALETKEY_E2E_CONTROL: control, CHROMIUM_PATH: executablePath } = process.env
const origin = `http://localhost:${port}`

/** What starts servers on databases of its own, and the walk through a tenant that nobody else enters. */
const own = ['both-ways.spec.ts', 'layout.spec.ts', 'process.spec.ts']

export default defineConfig({
  testDir: 'tests/e2e',
  // One lane for the product's people and the demo upstream of the run, whose files go in order, and one for those who meet neither.
  workers: 2,
  // A test that passes at the second try has failed (scripts/lib/stages.mjs).
  retries: 0,
  timeout: 60_000,
  expect: { timeout: 10_000 },
  forbidOnly: Boolean(process.env.CI),
  reporter: 'line',
  outputDir: 'node_modules/.cache/playwright',
  projects: [
    { name: 'product', testIgnore: [...own, 'serving.spec.ts', 'traces.spec.ts'], workers: 1 },
    { name: 'own', testMatch: own, workers: 1 },
    // Counts what the product logs, which must be of its own doing.
    { name: 'alone', testMatch: 'serving.spec.ts', dependencies: ['product', 'own'], workers: 1 },
    // Searches what all others left behind. A new project becomes a dependency too; the search asks for it.
    { name: 'traces', testMatch: 'traces.spec.ts', dependencies: ['product', 'own', 'alone'] },
  ],
  use: {
    baseURL: origin,
    viewport: { width: 1280, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
    launchOptions: {
      ...(executablePath && { executablePath }),
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--no-first-run'],
    },
  },
  webServer: {
    // Instead of the shell, so that its parent is the runner.
    command: 'exec node tests/e2e/serve.mjs',
    url: `${origin}/api/ready`,
    timeout: 240_000,
    // With VALETKEY_E2E_PORT and VALETKEY_E2E_CONTROL of one that runs already, that one is used.
    reuseExistingServer: true,
    gracefulShutdown: { signal: 'SIGTERM', timeout: 20_000 },
    env: { PORT: port ?? '', DEMO_CONTROL_SECRET: control ?? '' },
  },
})

/** A port that nobody listens on, found synchronously: a configuration cannot wait. */
function freePort(): string {
  const program = `const s = require('node:net').createServer().listen(0, '127.0.0.1', () => {
    console.log(s.address().port); s.close() })`
  return execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }).trim()
}
