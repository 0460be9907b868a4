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
 * - `sign-in failed`: request, problem, stage, error and error_description (the issuer's, cut), status, reason,
 *   differenceSeconds (of the clocks); alarms: the client was refused, the clocks differ
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
          return { type: error.name, reason: code, cause, stack: framesOf(error) }
        },
      },
    },
    destination ?? pino.destination({ fd: 1, sync: false }),
  )
}

const framesMax = 7

/**
 * The frames of a stack without what V8 puts before them: the message, which may hold what an upstream said, in any number
 * of lines, also such that look like frames. Where it was changed since, the frames are the lines at the end.
 */
function framesOf({ stack, message }: Error): string | undefined {
  if (!stack) return undefined
  const start = stack.indexOf(message)
  const lines = (start < 0 ? stack : stack.slice(start + message.length)).split('\n')
  const isFrame = (line: string) => /^\s+at /.test(line)
  const before = lines.findLastIndex((line) => line !== '' && !isFrame(line))
  return lines
    .slice(before + 1)
    .filter(isFrame)
    .slice(0, framesMax)
    .join('\n')
}

/** For lines that must leave the process whatever level was chosen: signed heads and public keys of the audit chain. */
export const loud = (log: Log): Log => log.child({}, { level: 'info' })
