import { inspect, stripVTControlCharacters } from 'node:util'
import pino from 'pino'
import type { Config } from './config.ts'
import type { ErrorCode } from './errors.ts'
import { processOutput, standardError } from './output.ts'

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
const censor = '[redacted]'

export type Log = pino.Logger

/**
 * Structured log on standard output, one JSON object a line. Errors are cut to type, code and stack: causes can hold
 * upstream bodies. Levels: info for how things ended, warn for what recovers automatically, error for what failed; `alarm: true`
 * marks what needs an operator. Lines to build on, by `msg`:
 * - `request`: request, method, path (the pattern), status, ms, user, tenant, problem
 * - `refresh`: tenant, connection, kind, outcome (as in valetkey_refreshes_total), ageSeconds
 * - `upstream revocation`: tenant, revocation, kind, outcome (as in valetkey_revocations_total), tries, reason
 * - `sign-in failed`: request, problem, stage, error and error_description (the issuer's, cut), status, reason,
 *   differenceSeconds (of the clocks); alarms: the client was refused, the clocks differ
 * - `an incoming token was refused`: request, tenant, trusted_issuer, reason
 * - `job failed`: work, err
 */
export function createLog(config: Pick<Config, 'log'>, destination?: pino.DestinationStream): Log {
  const paths = redacted.flatMap((name) => [`["${name}"]`, `*["${name}"]`, `*.*["${name}"]`])
  const common = { level: config.log, base: undefined, timestamp: pino.stdTimeFunctions.isoTime }
  const output = destination ?? standardOutput()
  const log = pino({ ...common, redact: { paths, censor }, serializers: { err: describeError } }, output)
  return Object.assign(log, { [plain]: pino(common, output) })
}

const plain = Symbol.for('valetkey.plain-log')

/** What every line about a request has: our own words, patterns and numbers. */
export type RequestLine = {
  request: string
  method: string
  path: string
  status: number
  ms: number
  problem: ErrorCode | undefined
}

/** An id of ours, or the name of a thing that a declaration has: no token, code or password has this form. */
const isPlain = (value: unknown) =>
  value === undefined ||
  typeof value === 'number' ||
  typeof value === 'boolean' ||
  (typeof value === 'string' && /^[a-z]{3}_[0-9a-z]{1,32}$/.test(value))

/**
 * The line about a request. Looking for secrets in it costs twenty times as much as writing it, so it is not searched where
 * all of its facts have a form that no secret has.
 */
export function logRequest(
  log: Log,
  { request, method, ...line }: RequestLine,
  facts: Record<string, unknown> = {},
): void {
  const known = methods.has(method) ? method : 'other'
  const plainly = (log as { [plain]?: pino.Logger })[plain]
  const fast = plainly?.level === log.level && Object.values(facts).every(isPlain) ? plainly : log
  fast.info({ request, method: known, ...line, ...facts }, 'request')
}
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const framesMax = 7

/**
 * The frames of a stack without what V8 puts before them: the message, which may hold what an upstream said, in any number
 * of lines, also such that look like frames. Where it was changed since, the frames are the lines at the end.
 */
function framesOf({ stack, message }: Error): string | undefined {
  if (!stack) return undefined
  const start = stack.indexOf(message)
  const lines = (start < 0 ? stack : stack.slice(start + message.length)).split('\n')
  const first = start < 0 ? lines.findLastIndex((line) => line !== '' && !frame.test(line)) + 1 : 0
  const frames = lines.slice(first).filter((line) => frame.test(line))
  return frames.slice(0, framesMax).join('\n') || undefined
}

/** For lines that must leave the process whatever level was chosen: signed heads and public keys of the audit chain. */
export const loud = (log: Log): Log => log.child({}, { level: 'info' })

/** Standard output, which reports the lines that it had to drop. */
export const standardOutput = () =>
  processOutput((count) => {
    const line = { level: pino.levels.values.warn, time: new Date().toISOString(), dropped: count, msg: droppedLines }
    return `${JSON.stringify(line)}\n`
  })
const droppedLines = 'log lines were dropped: standard output did not accept them'

function describeError(error: unknown) {
  if (!(error instanceof Error)) return { type: typeof error }
  const code = 'code' in error ? String(error.code) : undefined
  const cause =
    error.cause instanceof Error
      ? { type: error.cause.name, reason: 'code' in error.cause ? String(error.cause.code) : undefined }
      : undefined
  return { type: error.name, reason: code, cause, stack: framesOf(error) }
}

/** A line of V8's: a place in a file, or one of those that have none. */
const frame =
  /^ {4}at (?:.{0,200} \()?(?:(?:node:|file:\/\/|\/|[A-Z]:\\)[^\s()]{1,300}(?: [^\s()]+)*:\d+:\d+|<anonymous>|native)\)?$/

/**
 * Foreign text without what may be a secret: the values of names that the log redacts, of queries and of schemes, user
 * names and passwords in addresses, tokens by their form, and any long run of letters and digits that is no word.
 */
export function scrubText(text: string): string {
  const plain = stripVTControlCharacters(text).slice(0, mostCharacters)
  return scrubs.reduce((done, [pattern, replacement]) => done.replace(pattern, replacement), plain)
}
const mostCharacters = 4_000
const scrubs: [RegExp, string][] = [
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi, `$1${censor}@`],
  [/(\b(?:bearer|basic|dpop)\s+)[\w~+/.=-]+/gi, `$1${censor}`],
  [
    new RegExp(`(["']?\\b(?:${redacted.join('|')})["']?\\s*[:=]\\s*)(?:"[^"]*"|'[^']*'|[^\\s,;&}]+)`, 'gi'),
    `$1${censor}`,
  ],
  [/([?&][\w.-]+=)[^\s&#"'<>]+/g, `$1${censor}`],
  [/\beyJ[\w-]+(?:\.[\w-]*){1,4}/g, censor],
  [/(?=[\w+/-]*\d)(?=[\w+/-]*[A-Za-z])(?<![\w+/-])(?:[\w+-]{20,}={0,2}|[\w+/-]{40,}={0,2})(?![\w+/-])/g, censor],
]

const consoleLevels = {
  error: 'error',
  warn: 'warn',
  log: 'info',
  info: 'info',
  debug: 'debug',
  trace: 'debug',
} as const

/**
 * From here on everything that this process says is a line of the log: what frameworks print to the console or straight
 * to a stream, Node's warnings, and rejections that nobody listened to. Once a process, before anything speaks.
 */
export function captureOutput(log: Log): void {
  for (const [method, level] of Object.entries(consoleLevels) as [keyof typeof consoleLevels, 'info'][])
    console[method] = (...said: unknown[]) => say(log, level, said)
  for (const [stream, level] of [
    [process.stdout, 'info'],
    [process.stderr, 'error'],
  ] as const)
    stream.write = lineWriter((line) => say(log, level, [line]))
  // Node's own printing is one of these listeners, and it waits for a full pipe.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    log.warn({ from: 'node', err: warning }, scrubText(warning.message))
  })
  process.on('unhandledRejection', (reason) => {
    log.error({ alarm: true, err: reason }, 'unhandled promise rejection')
  })
}

function say(log: Log, level: 'error' | 'warn' | 'info' | 'debug', said: unknown[]): void {
  const err = said.find((part) => part instanceof Error)
  const words = said
    .filter((part) => part !== err)
    .map((part) => (typeof part === 'string' ? part : inspect(part, { depth: 1 })))
  const text = scrubText(words.join(' ')).trim()
  if (!err && text === '') return
  // What a page shows in place of the error; people are told to report it.
  const digest = err && 'digest' in err ? String(err.digest) : undefined
  log[level]({ from: 'console', err, digest }, text)
}

type StreamWrite = typeof process.stdout.write

/** A stream's `write` that hands over whole lines. */
function lineWriter(take: (line: string) => void): StreamWrite {
  let begun = ''
  return ((chunk: string | Uint8Array, ...rest: unknown[]) => {
    const lines = (begun + (typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString())).split('\n')
    begun = (lines.pop() ?? '').slice(-mostCharacters)
    for (const line of lines) take(line)
    const done = rest.find((part) => typeof part === 'function')
    if (done) process.nextTick(done as () => void)
    return true
  }) as StreamWrite
}
/** One line on standard error, shaped as the log's own: for what must not be lost where nothing else takes it. */
export const lastResort = (line: object, msg: string): void =>
  standardError().write(`${JSON.stringify({ level: 60, time: new Date().toISOString(), ...line, msg })}\n`)
