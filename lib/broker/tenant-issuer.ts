import type { Config } from '../config.ts'

/** The issuer of a tenant's tokens for its own audiences: `iss` in them, and where its metadata and keys are found. */
export const tenantIssuer = ({ origin }: Pick<Config, 'origin'>, slug: string) => `${origin}/t/${slug}`

/** `client_id` of a token that a person made here at a browser: RFC 9068 2.2 asks for one, and no other program took part. */
export const consoleClient = 'valetkey'
