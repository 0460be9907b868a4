import { spawn } from 'node:child_process'

export type Ended = { code: number | null; stdout: string; stderr: string }

/** Milliseconds that another program has; a keychain may be waiting for somebody who is not there. */
const patience = 20_000

/**
 * Runs a program of this machine to its end. What is secret goes through `input`: arguments are in the list of processes.
 * Undefined: there is no such program.
 */
export const runProgram = (
  program: string,
  args: readonly string[],
  { input = '', env }: { input?: string; env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<Ended | undefined> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: patience,
      windowsHide: true,
      ...(env && { env: { ...env } as NodeJS.ProcessEnv }),
    })
    const read = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const)
      child[name].setEncoding('utf8').on('data', (text: string) => {
        read[name] += text
      })
    child.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ENOENT' ? resolve(undefined) : reject(error),
    )
    child.once('close', (code) => resolve({ code, ...read }))
    // One that ends before it has read everything tells so by its exit code.
    child.stdin.once('error', () => {})
    child.stdin.end(input)
  })
