// A real terminal (tmux), as somebody has it in front of them: a shell, its lines, its screen.
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { expect } from './support.ts'

const run = promisify(execFile)

/** A shell in a home of its own, where `valetkey` is the command and opening a browser only notes the address. */
export async function openTerminal({ browser = true }: { browser?: boolean } = {}) {
  const home = await mkdtemp(join(tmpdir(), 'valetkey-terminal-'))
  const socket = `valetkey-${randomUUID()}`
  const asked = join(home, 'asked')
  const programs = {
    browser: `#!/bin/sh\nprintf %s "$1" > '${asked}'\n`,
    valetkey: `#!/bin/sh\nexec '${process.execPath}' '${resolve('cli/dist/valetkey.js')}' "$@"\n`,
  }
  for (const [name, text] of Object.entries(programs)) {
    await writeFile(join(home, name), text)
    await chmod(join(home, name), 0o755)
  }
  const tmux = async (...args: string[]) => (await run('tmux', ['-L', socket, '-f', '/dev/null', ...args])).stdout
  const env = {
    PATH: `${home}:${process.env.PATH}`,
    HOME: home,
    PS1: '> ',
    TERM: 'tmux-256color',
    LANG: 'C.UTF-8',
    HISTFILE: join(home, 'history'),
    ...(browser && { BROWSER: join(home, 'browser') }),
  }
  const shell = [
    'env',
    '-i',
    ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
    'bash',
    '--norc',
    '--noprofile',
    '-i',
  ]
  await tmux('new-session', '-d', '-x', '110', '-y', '50', '-c', home, ...shell)

  /** Lines that are too long for the screen are one again. */
  const screen = () => tmux('capture-pane', '-p', '-J', '-S', '-200')
  return {
    home,
    screen,
    /** Types a line and sends it, on a screen that is empty. */
    async type(line: string) {
      await tmux('send-keys', '-R', 'C-l')
      await tmux('clear-history')
      await tmux('send-keys', '-l', line)
      await tmux('send-keys', 'Enter')
    },
    /** What runs in the foreground of it, by name. */
    async children() {
      const tty = (await tmux('list-panes', '-F', '#{pane_tty}')).trim().replace('/dev/', '')
      return (await run('ps', ['-t', tty, '-o', 'comm='])).stdout.split('\n').map((name) => name.trim())
    },
    press: (...keys: string[]) => tmux('send-keys', ...keys),
    async shows(text: RegExp): Promise<RegExpExecArray> {
      await expect.poll(screen).toMatch(text)
      return text.exec(await screen()) as RegExpExecArray
    },
    /** Where the browser was sent. */
    async sentTo(): Promise<string> {
      await expect.poll(() => readFile(asked, 'utf8').catch(() => '')).not.toBe('')
      const url = await readFile(asked, 'utf8')
      await rm(asked)
      return url
    },
    async close() {
      await tmux('kill-server').catch(() => '')
      // The shell writes its history while it ends.
      await rm(home, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
