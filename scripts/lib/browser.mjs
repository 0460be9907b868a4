// A Chromium for the end-to-end tests, wherever one can be had.
import { execFile } from 'node:child_process'
import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { findProgram, installPackage } from './debian.mjs'
import { Failure } from './fail.mjs'
import { nodeTool, ROOT, toolEnv } from './prepare.mjs'
import { runTool } from './processes.mjs'
import { step } from './progress.mjs'

/** The same engine without a desktop around it: a page costs a third of the work. */
const SHELL = 'chromium-headless-shell'
const NAMES = ['google-chrome', 'google-chrome-stable', 'chromium', 'chromium-browser', 'chrome']
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/snap/bin/chromium',
  '/opt/google/chrome/chrome',
]
const DOWNLOAD_LIMIT_MS = 300_000

/**
 * Path of a browser that runs: the one named by CHROMIUM_PATH, Debian's without windows (root installs it), an installed one,
 * Playwright's own (downloaded if need be), or, as root on Debian, the distribution's.
 * @returns {Promise<string>}
 * @throws {Failure} when there is no way to one
 */
export async function findBrowser(env = process.env) {
  if (env.CHROMIUM_PATH) {
    if (await runs(env.CHROMIUM_PATH)) return env.CHROMIUM_PATH
    throw new Failure(`CHROMIUM_PATH is ${env.CHROMIUM_PATH}, which is not a working browser. Correct it or unset it.`)
  }
  const shell = await findShell(env)
  if (shell) return shell
  const { chromium } = await import('playwright')
  const known = async () => firstRunning([...installed(env), ...PLACES, chromium.executablePath()])
  const attempt = (title, ...commands) =>
    step(title, async () => {
      for (const command of commands) await runTool(command, { cwd: ROOT, env: toolEnv(), timeout: DOWNLOAD_LIMIT_MS })
    }).then(known, () => undefined)
  return (
    (await known()) ??
    (await attempt('Downloading a browser', nodeTool('playwright', 'install', 'chromium'))) ??
    (process.getuid?.() === 0
      ? await attempt('Installing a browser', ['apt-get', 'update'], ['apt-get', 'install', '-y', 'chromium'])
      : undefined) ??
    missing()
  )
}

async function findShell(env) {
  const found = () => findProgram(SHELL, env)
  if (!(await found())) await installPackage(SHELL, [SHELL], { skipped: 'the tests take a browser that has windows' })
  return firstRunning([await found()].filter(Boolean))
}

const installed = (env) =>
  (env.PATH ?? '').split(delimiter).flatMap((folder) => NAMES.map((name) => join(folder, name)))

async function firstRunning(paths) {
  for (const path of paths) if (await runs(path)) return path
}

async function runs(path) {
  const executable = await access(path, constants.X_OK).then(
    () => true,
    () => false,
  )
  return (
    executable &&
    promisify(execFile)(path, ['--version', '--no-sandbox']).then(
      () => true,
      () => false,
    )
  )
}

function missing() {
  throw new Failure('There is no browser for the end-to-end tests. Install Chromium or set CHROMIUM_PATH.')
}
