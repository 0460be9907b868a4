import { spawn } from 'node:child_process'
import type { Cli } from './cli.ts'

/** Why no browser of this machine can be opened; undefined: one can. */
export function noBrowser({ env, platform }: Pick<Cli, 'env' | 'platform'>): string | undefined {
  if (env.BROWSER) return undefined
  if (env.SSH_CONNECTION || env.SSH_TTY) return 'this is a session over SSH'
  if (env.CI) return 'this is a build'
  const isWsl = env.WSL_DISTRO_NAME !== undefined
  if (platform === 'linux' && !env.DISPLAY && !env.WAYLAND_DISPLAY && !isWsl) return 'there is no display'
  return undefined
}

/** Sends its person to an address: opens it where that can be done, and prints it. Whether it was opened. */
export async function sendToBrowser(cli: Cli, url: string): Promise<boolean> {
  const opened = noBrowser(cli) === undefined && (await openBrowser(cli, url))
  cli.out.note(
    opened ? 'Go on in your browser. If it did not open, open this address:' : 'Open this address in a browser:',
  )
  cli.out.note('  ', { text: url, style: 'underline' })
  return opened
}

/** Opens an address in the browser; whether that could be begun. `BROWSER` names a program, as xdg-open has it. */
export async function openBrowser({ env }: Pick<Cli, 'env'>, url: string): Promise<boolean> {
  if (env.BROWSER) return started(env.BROWSER, url)
  const { default: open } = await import('open')
  try {
    const child = await open(url)
    child.on('error', () => {})
    return true
  } catch {
    return false
  }
}

/** Whether the program is there. It may live as long as it wants, without us. */
const started = (program: string, url: string): Promise<boolean> =>
  new Promise((resolve) => {
    const child = spawn(program, [url], { stdio: 'ignore', detached: true })
    child.once('error', () => resolve(false))
    child.once('spawn', () => {
      child.unref()
      resolve(true)
    })
  })
