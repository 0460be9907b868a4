import { type Config, parseConfig } from '../lib/config.ts'
import { randomToken } from '../lib/security/secrets.ts'

/** The settings of a process of a bench: keys of its own, and an upstream of the bench in the place of the demo's. */
export const benchConfig = (databaseUrl: string, upstream: string, more: Record<string, string>): Config =>
  parseConfig({
    NODE_ENV: 'test',
    VALETKEY_URL: 'http://localhost:3000',
    DATABASE_URL: databaseUrl,
    VALETKEY_KEYS: `k1:${randomToken()}`,
    VALETKEY_SECRET: randomToken(),
    VALETKEY_SIGNIN_ISSUER: `${upstream}/idp`,
    VALETKEY_SIGNIN_CLIENT_ID: 'bench',
    VALETKEY_SIGNIN_CLIENT_SECRET: 'bench',
    VALETKEY_EMBEDDED: '1',
    VALETKEY_DEMO: '1',
    VALETKEY_DEMO_STACK: JSON.stringify({ url: upstream, clientId: 'bench', clientSecret: 'bench-secret' }),
    VALETKEY_DEMO_TICKETS: JSON.stringify({
      issuer: `${upstream}/tickets`,
      clientId: 'bench',
      clientSecret: 'bench-secret',
    }),
    ...more,
  })
