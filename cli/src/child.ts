import { spawn } from 'node:child_process'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { exitCodeOf } from './signals.ts'

/** The environment of a program that we start: ours, without what is ours alone. */
export function childEnvironment({ env }: Pick<Cli, 'env'>, given: Record<string, string>): NodeJS.ProcessEnv {
  const { VALETKEY_TOKEN: _, ...kept } = env as NodeJS.ProcessEnv
  return { ...kept, ...given }
}

/**
 * Runs a program in our place: with our input and output, and told what we are told. Answers how a shell would see it end:
 * its exit code, or 128 and the number of the signal that killed it. @throws Failure not_executable, no_program
 *
 * In a terminal, Ctrl-C and its like reach the program without us, because it stands in front with us. A second one would
 * tell many programs to leave at once, so there we pass on SIGTERM alone.
 */
export function runChild(
  { signals }: Pick<Cli, 'signals'>,
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: 'inherit', env })
    const release = signals.take(
      (signal) => {
        if (signal === 'SIGTERM' || !signals.fromTerminal) child.kill(signal)
        if (signal === 'SIGTSTP') signals.pause()
        return true
      },
      { pauses: !signals.fromTerminal },
    )
    child.on('error', (error: NodeJS.ErrnoException) => {
      // Also of a signal that could not be sent.
      if (child.pid !== undefined) return
      release()
      reject(notStarted(program, error))
    })
    child.once('exit', (code, signal) => {
      release()
      resolve(signal === null ? (code ?? 1) : exitCodeOf(signal))
    })
  })
}

function notStarted(program: string, cause: NodeJS.ErrnoException): Failure {
  if (cause.code === 'ENOENT') return new Failure('no_program', `There is no program ${program}.`, { cause })
  return new Failure('not_executable', `${program} cannot be run (${cause.code ?? cause.message}).`, { cause })
}
