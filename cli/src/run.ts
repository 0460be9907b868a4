import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Cli } from './cli.ts'
import { commands } from './commands/index.ts'
import { exitCodes } from './exit-codes.ts'
import { Failure } from './failure.ts'
import { createHttp } from './http.ts'
import { createOutput } from './output.ts'
import { type Call, parse } from './parse.ts'
import type { Signals } from './signals.ts'

/** The process, as far as a command may know it. */
export type Surroundings = {
  env: Readonly<Record<string, string | undefined>>
  platform: NodeJS.Platform
  cwd: string
  userHome: string
  streams: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream; stderr: NodeJS.WriteStream }
  signals: Signals
}

/** Runs a command line. Answers the exit code; nothing it meets is thrown. */
export async function run(argv: readonly string[], around: Surroundings): Promise<number> {
  const { env, streams, signals } = around
  const signal = signals.interrupted
  const isJson = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json')
  let call: Call | string
  try {
    call = parse(argv, commands)
  } catch (error) {
    createOutput(streams, { json: isJson, color: true, env }).failure(asFailure(error))
    return asFailure(error).exitCode
  }
  if (typeof call === 'string') {
    streams.stdout.write(call)
    return 0
  }
  const { command, given, globals } = call
  const out = createOutput(streams, { json: globals.json, color: globals.color, env })
  const cli: Cli = {
    env,
    platform: around.platform,
    cwd: around.cwd,
    home: homeOf(around),
    given: { server: globals.server, tenant: globals.tenant, caFile: globals.caFile },
    out,
    now: () => new Date(),
    monotonicSeconds: () => performance.now() / 1000,
    wait: (seconds, until) =>
      sleep(seconds * 1000, undefined, { signal: until ? AbortSignal.any([signal, until]) : signal }),
    input: () => text(streams.stdin),
    http: createHttp({ env, caFile: globals.caFile, verbose: globals.verbose, signal }, out),
    signal,
    ...(out.isInteractive && { person: { input: streams.stdin, output: streams.stderr } }),
    signals,
  }
  try {
    return (await command.run(cli, given)) ?? 0
  } catch (error) {
    if (signal.aborted) {
      out.done()
      return exitCodes.interrupted.code
    }
    const failure = asFailure(error)
    out.failure(failure)
    if (globals.verbose && error instanceof Error && !(error instanceof Failure)) out.note(error.stack ?? '')
    return failure.exitCode
  } finally {
    out.done()
  }
}

const asFailure = (error: unknown): Failure => {
  if (error instanceof Failure) return error
  // Reading what is not there: an answer that lacks what every answer of this kind has (O-24).
  if (error instanceof TypeError)
    return new Failure('strange', 'Something is missing in what the server answered.', {
      code: 'incomplete_answer',
      cause: error,
      next: 'Is it Valetkey, and of this version? valetkey doctor tells. --verbose shows where.',
    })
  return new Failure('failed', error instanceof Error ? error.message : String(error), {
    code: 'unexpected',
    cause: error,
    next: 'This is a mistake in valetkey, or of this machine. --verbose shows where.',
  })
}

/** Where settings are: VALETKEY_HOME, or where the system has them. */
function homeOf({ env, platform, userHome }: Surroundings): string {
  if (env.VALETKEY_HOME) return env.VALETKEY_HOME
  if (platform === 'win32') return join(env.APPDATA ?? join(userHome, 'AppData/Roaming'), 'valetkey')
  return join(env.XDG_CONFIG_HOME || join(userHome, '.config'), 'valetkey')
}
