import pino from 'pino'
import type { Config } from './config.ts'

/** Anything that looks like a credential, wherever a library puts it in an object. The last line of defence (V-08). */
const redacted = [
  'authorization',
  'cookie',
  'set-cookie',
  'token',
  'access_token',
  'refresh_token',
  'id_token',
  'code',
  'code_verifier',
  'client_secret',
  'state',
  'nonce',
  'password',
  'handle',
  'sealed',
]

export type Log = pino.Logger

/**
 * Structured log on standard output, one JSON object a line. Errors are cut to type, code and stack: causes can hold
 * upstream bodies. Levels: info for how things ended, warn for what heals by itself, error for what failed; `alarm: true`
 * marks what needs an operator. Lines to build on, by `msg`:
 * - `request`: request, method, path (the pattern), status, ms, user, tenant, problem
 * - `refresh`: tenant, connection, kind, outcome (as in valetkey_refreshes_total), ageSeconds
 * - `upstream revocation`: tenant, revocation, kind, outcome (as in valetkey_revocations_total), tries, reason
 * - `job failed`: work, err
 */
export function createLog(config: Pick<Config, 'log'>, destination?: pino.DestinationStream): Log {
  const paths = redacted.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`])
  return pino(
    {
      level: config.log,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths, censor: '[redacted]' },
      serializers: {
        err: (error: unknown) => {
          if (!(error instanceof Error)) return { type: typeof error }
          const code = 'code' in error ? String(error.code) : undefined
          const cause =
            error.cause instanceof Error
              ? { type: error.cause.name, reason: 'code' in error.cause ? String(error.cause.code) : undefined }
              : undefined
          return { type: error.name, reason: code, cause, stack: error.stack?.split('\n').slice(1, 8).join('\n') }
        },
      },
    },
    destination ?? pino.destination({ fd: 1, sync: false }),
  )
}

/** For lines that must leave the process whatever level was chosen: signed heads and public keys of the audit chain. */
export const loud = (log: Log): Log => log.child({}, { level: 'info' })

/** One line on standard error, shaped as the log's own: for what must not be lost where nothing else takes it. */
export const lastResort = (line: object, msg: string): void =>
  void process.stderr.write(`${JSON.stringify({ level: 60, time: new Date().toISOString(), ...line, msg })}\n`)
