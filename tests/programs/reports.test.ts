import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { countPlaywright, passedByPlaywright } from '../../scripts/lib/reports.mjs'

const root = resolve(import.meta.dirname, '../..')

/** The report of a real run, with retries, of one test that holds, one that holds at the second try, and one that does not. */
async function reportOfRetries(): Promise<unknown> {
  await mkdir(join(root, 'node_modules/.cache'), { recursive: true })
  const folder = await mkdtemp(join(root, 'node_modules/.cache/reports-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  await writeFile(
    join(folder, 'three.spec.mjs'),
    `import { expect, test } from 'playwright/test'
     test('holds', () => {})
     test('holds at the second try', ({}, { retry }) => expect(retry).toBe(1))
     test('does not hold', () => expect(1).toBe(2))`,
  )
  await writeFile(join(folder, 'playwright.config.mjs'), 'export default { retries: 1, outputDir: "out" }')
  const file = join(folder, 'report.json')
  const cli = join(root, 'node_modules/playwright/cli.js')
  const env = { ...process.env, PLAYWRIGHT_JSON_OUTPUT_FILE: file }
  await new Promise((done) => execFile(process.execPath, [cli, 'test', '--reporter=json'], { cwd: folder, env }, done))
  return JSON.parse(await readFile(file, 'utf8'))
}

test('a browser test that passed only at a retry counts as failed and covers no requirement', async () => {
  const report = await reportOfRetries()
  expect(countPlaywright(report)).toEqual({ passed: 1, failed: 2, skipped: 0 })
  expect(passedByPlaywright(report).map((titles) => titles.at(-1))).toEqual(['holds'])
}, 30_000)
