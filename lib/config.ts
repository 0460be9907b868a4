import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { z } from 'zod'

/** A setting that is missing or unusable; `problems` names all of them at once, never a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: string[]
  constructor(problems: string[]) {
    super(`Valetkey cannot start:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

const defaultSecrets = /^(change.?me|change.?it|secret|password|default|test|example|placeholder|replace|valetkey)/i

/** Whether neighbours differ by few distances only: a repeated pattern, a walk through the alphabet. Random text has thirty. */
const isPattern = (text: string) =>
  new Set(Array.from(text, (_, index) => text.charCodeAt(index + 1) - text.charCodeAt(index))).size < 15

/** 32 random bytes in base64url. Short, repeated and well-known values are refused (V-06). */
const secretText = z.string().superRefine((text, check) => {
  const bytes = Buffer.from(text, 'base64url')
  const fault = defaultSecrets.test(text)
    ? 'is a default value'
    : !/^[\w+/-]*={0,2}$/.test(text)
      ? 'is not base64url'
      : bytes.length < 32
        ? 'is too short: it needs 32 random bytes in base64url'
        : new Set(bytes).size < 12 || isPattern(text)
          ? 'is not random enough'
          : undefined
  if (!fault) return
  check.addIssue({
    code: 'custom',
    message: `${fault} (make one with: openssl rand -base64 32 | tr '+/' '-_' | tr -d '=')`,
  })
})
const secretBytes = secretText.transform((text) => new Uint8Array(Buffer.from(text, 'base64url').subarray(0, 32)))
/** As it travels in a header (RFC 6750 2.1): what base64url has no letter for would be dropped unseen. */
const bearer = secretText.regex(/^[\w-]+$/, 'is not base64url')

const instanceKeys = z.string().transform((text, check) => {
  const keys: { id: string; bytes: Uint8Array }[] = []
  for (const entry of text.split(',').map((part) => part.trim())) {
    const [id, value] = entry.split(':')
    const parsed = secretBytes.safeParse(value ?? '')
    if (!id || !/^[A-Za-z0-9_-]{1,32}$/.test(id) || !parsed.success) {
      const reason = parsed.success ? 'has no usable id' : parsed.error.issues[0]?.message
      check.addIssue({ code: 'custom', message: `entry ${keys.length + 1} (form kid:base64url) ${reason}` })
      return z.NEVER
    }
    keys.push({ id, bytes: parsed.data })
  }
  if (new Set(keys.map((key) => key.id)).size !== keys.length)
    check.addIssue({ code: 'custom', message: 'uses a key id twice' })
  if (new Set(keys.map((key) => Buffer.from(key.bytes).toString('hex'))).size !== keys.length)
    check.addIssue({ code: 'custom', message: 'holds the same key twice' })
  return keys
})

const loopbackHosts = new Set(['localhost', '127.0.0.1', '[::1]'])

/** An origin: https, or http on a loopback name, where browsers keep `__Host-` cookies all the same (Chromium, Firefox). */
const origin = z.string().transform((text, check) => {
  const url = URL.parse(text)
  const fault = !url
    ? 'is not a URL'
    : url.pathname !== '/' || url.search || url.hash || url.username
      ? 'must be an origin only, such as https://valetkey.example.com'
      : url.protocol !== 'https:' && !(url.protocol === 'http:' && loopbackHosts.has(url.hostname))
        ? 'must use https (http only on localhost), because __Host- cookies need it'
        : undefined
  if (!fault && url) return url.origin
  check.addIssue({ code: 'custom', message: fault ?? 'is not a URL' })
  return z.NEVER
})

/** Host names as they stand in URLs, addresses and CIDR blocks; an address becomes the block of itself. */
const internalHosts = z
  .string()
  .default('')
  .transform((text, check) => {
    const entries: string[] = []
    for (const part of text.split(',').filter((part) => part.trim() !== '')) {
      const entry = part.trim().toLowerCase()
      const isBlock = ipaddr.isValidCIDR(entry) && isIP(entry.split('/')[0] ?? '') !== 0
      const isName = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(entry)
      if (isIP(entry)) entries.push(`${entry}/${isIP(entry) === 4 ? 32 : 128}`)
      else if ((isBlock && !entry.endsWith('/0')) || (isName && !/\.?\d+$/.test(entry))) entries.push(entry)
      else
        check.addIssue({
          code: 'custom',
          message: `entry ${entries.length + 1} is not a host name, an address or a block such as 10.1.0.0/16`,
        })
    }
    return entries
  })

/** Subjects, separated by commas; or, because a subject may hold one (RFC 7519 2), a JSON list of them, taken as they are. */
const subjects = z
  .string()
  .default('')
  .transform((text, check) => {
    if (!text.trim().startsWith('['))
      return text
        .split(',')
        .map((part) => part.trim())
        .filter(Boolean)
    try {
      return z.array(z.string().min(1)).parse(JSON.parse(text))
    } catch {
      check.addIssue({ code: 'custom', message: 'is not a JSON list of subjects such as ["a,b","c"]' })
      return z.NEVER
    }
  })

const port = z.coerce.number().int().min(1).max(65535)
const flag = z
  .enum(['0', '1'])
  .default('0')
  .transform((value) => value === '1')
/** What only `npm start` writes, as JSON. */
const fromStart = <T>(shape: z.ZodType<T>) =>
  z
    .string()
    .optional()
    .transform((text) => (text ? shape.parse(JSON.parse(text)) : undefined))
const seconds = (fallback: number) => z.coerce.number().int().positive().default(fallback)

/** Every setting by name: its form and its default. docs/configuration.md says what each does; a test compares. */
export const Environment = z.object({
  NODE_ENV: z.string().default('production'),
  PORT: port.default(3000),
  HOST: z.string().default('127.0.0.1'),
  VALETKEY_URL: origin,
  DATABASE_URL: z.string().min(1, 'is empty'),
  VALETKEY_KEYS: instanceKeys,
  VALETKEY_SECRET: secretBytes,
  VALETKEY_SIGNIN_ISSUER: z.url('is not a URL'),
  VALETKEY_SIGNIN_CLIENT_ID: z.string().min(1, 'is empty'),
  VALETKEY_SIGNIN_CLIENT_SECRET: z.string().min(1, 'is empty'),
  VALETKEY_SIGNIN_NAME: z.string().max(60).default('single sign-on'),
  VALETKEY_SIGNIN_CLIENT_AUTH: z.enum(['basic', 'post'], 'must be basic or post').optional(),
  VALETKEY_OPERATORS: subjects,
  VALETKEY_OPEN_TENANTS: flag,
  VALETKEY_SESSION_IDLE_SECONDS: seconds(8 * 3600),
  VALETKEY_SESSION_SECONDS: seconds(7 * 24 * 3600),
  VALETKEY_TRUSTED_PROXIES: z.coerce.number().int().min(0).max(10).default(0),
  VALETKEY_INTERNAL_HOSTS: internalHosts,
  VALETKEY_NAMED_STATEMENTS: z
    .enum(['0', '1'])
    .default('1')
    .transform((value) => value === '1'),
  VALETKEY_POOL: z.coerce.number().int().min(1).max(200).default(10),
  VALETKEY_DRAIN_SECONDS: z.coerce.number().int().min(0).max(15).default(3),
  VALETKEY_REFRESH_RATE: z.coerce.number().int().min(4).max(1000).default(50),
  VALETKEY_LOG: z.enum(['silent', 'error', 'warn', 'info', 'debug']).default('info'),
  VALETKEY_METRICS_PORT: port.optional(),
  VALETKEY_METRICS_HOST: z.string().default('127.0.0.1'),
  VALETKEY_METRICS_TOKEN: bearer.optional(),
  VALETKEY_EMBEDDED: flag,
  VALETKEY_DEMO: flag,
  VALETKEY_DEMO_STACK: fromStart(z.object({ url: z.url(), clientId: z.string(), clientSecret: z.string() })),
  VALETKEY_DEMO_TICKETS: fromStart(z.object({ issuer: z.url(), clientId: z.string(), clientSecret: z.string() })),
  VALETKEY_DEMO_NOTES: fromStart(
    z.object({ issuer: z.url(), url: z.url(), clientId: z.string(), clientSecret: z.string() }),
  ),
})

export type Config = ReturnType<typeof parseConfig>

/**
 * Reads the settings out of an environment. Pure; the only reader of environment variables in lib and app.
 * @throws ConfigError naming every setting that is missing or unusable, without its value (V-06)
 */
export function parseConfig(environment: Record<string, string | undefined>) {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const parsed = Environment.safeParse(given)
  if (!parsed.success) {
    throw new ConfigError(
      parsed.error.issues.map((issue) => {
        const name = String(issue.path[0])
        return given[name] === undefined ? `${name} is missing` : `${name} ${issue.message}`
      }),
    )
  }
  const env = parsed.data
  const problems: string[] = []
  const loopback = loopbackHosts.has(new URL(env.VALETKEY_URL).hostname)
  if (env.VALETKEY_KEYS.some((key) => Buffer.from(key.bytes).equals(Buffer.from(env.VALETKEY_SECRET))))
    problems.push('VALETKEY_SECRET must not be one of VALETKEY_KEYS: use separate values')
  const metricsToken =
    env.VALETKEY_METRICS_TOKEN && Buffer.from(env.VALETKEY_METRICS_TOKEN, 'base64url').subarray(0, 32)
  if (
    metricsToken &&
    [env.VALETKEY_SECRET, ...env.VALETKEY_KEYS.map((key) => key.bytes)].some((one) => metricsToken.equals(one))
  )
    problems.push('VALETKEY_METRICS_TOKEN must not be VALETKEY_SECRET or one of VALETKEY_KEYS: use separate values')
  if (env.VALETKEY_METRICS_PORT === env.PORT)
    problems.push('VALETKEY_METRICS_PORT equals PORT: unset it and set VALETKEY_METRICS_TOKEN, or choose another port')
  if (env.VALETKEY_DEMO && !env.VALETKEY_EMBEDDED)
    problems.push('VALETKEY_DEMO needs the embedded database: unset DATABASE_URL or VALETKEY_DEMO')
  if (env.VALETKEY_DEMO && !loopback)
    problems.push('VALETKEY_DEMO needs a loopback VALETKEY_URL: the demo has no passwords')
  if (env.VALETKEY_DEMO && !env.VALETKEY_DEMO_STACK) problems.push('VALETKEY_DEMO_STACK is missing')
  if (env.VALETKEY_DEMO && !env.VALETKEY_DEMO_TICKETS) problems.push('VALETKEY_DEMO_TICKETS is missing')
  const signinIssuer = new URL(env.VALETKEY_SIGNIN_ISSUER)
  if (signinIssuer.protocol !== 'https:' && !loopbackHosts.has(signinIssuer.hostname))
    problems.push('VALETKEY_SIGNIN_ISSUER must be https')
  if (problems.length > 0) throw new ConfigError(problems)

  return Object.freeze({
    production: env.NODE_ENV === 'production',
    port: env.PORT,
    host: env.HOST,
    /** Scheme, host and port that browsers see. URLs are built from it and from nothing else (L-14). */
    origin: env.VALETKEY_URL,
    loopback,
    databaseUrl: env.DATABASE_URL,
    poolSize: env.VALETKEY_POOL,
    namedStatements: env.VALETKEY_NAMED_STATEMENTS,
    /** Instance keys, the first is current: they wrap the tenants' data keys. */
    keys: env.VALETKEY_KEYS,
    /** Root of every derived key that is not at-rest encryption: sign-in cookies, fingerprints, look-ups. */
    secret: env.VALETKEY_SECRET,
    signin: {
      issuer: env.VALETKEY_SIGNIN_ISSUER,
      clientId: env.VALETKEY_SIGNIN_CLIENT_ID,
      clientSecret: env.VALETKEY_SIGNIN_CLIENT_SECRET,
      name: env.VALETKEY_SIGNIN_NAME,
      /** How the client authenticates; undefined: as the issuer's metadata says. */
      clientAuth: env.VALETKEY_SIGNIN_CLIENT_AUTH,
    },
    /** Subjects at the sign-in issuer that run the instance. */
    operators: env.VALETKEY_OPERATORS,
    openTenants: env.VALETKEY_OPEN_TENANTS,
    session: { idleSeconds: env.VALETKEY_SESSION_IDLE_SECONDS, absoluteSeconds: env.VALETKEY_SESSION_SECONDS },
    /** How many proxies stand in front; 0: the address is the socket's. */
    trustedProxies: env.VALETKEY_TRUSTED_PROXIES,
    /** How long a stopping process says that it is not ready before it takes no more connections. */
    drainSeconds: env.VALETKEY_DRAIN_SECONDS,
    /** Most background refreshes a second at one upstream, over all instances (RR-11). */
    refreshesPerSecond: env.VALETKEY_REFRESH_RATE,
    /** Names and CIDR blocks inside the operator's network that upstreams may have (F-02). */
    internalHosts: env.VALETKEY_INTERNAL_HOSTS,
    log: env.VALETKEY_LOG,
    /** A port of their own, a bearer on the main one, both, or neither. */
    metrics: {
      port: env.VALETKEY_METRICS_PORT,
      host: env.VALETKEY_METRICS_HOST,
      token: env.VALETKEY_METRICS_TOKEN,
    },
    /** The project stack's address and our client there, and the same of the ticket service and of the notes. */
    demo:
      env.VALETKEY_DEMO && env.VALETKEY_DEMO_STACK && env.VALETKEY_DEMO_TICKETS
        ? { ...env.VALETKEY_DEMO_STACK, tickets: env.VALETKEY_DEMO_TICKETS, notes: env.VALETKEY_DEMO_NOTES }
        : undefined,
  })
}
