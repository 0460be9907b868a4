import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  decodeProtectedHeader,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose'
import { type AudienceView, addAudience } from '../../lib/broker/audiences.ts'
import { issueToken } from '../../lib/broker/issue.ts'
import { createProvider } from '../../lib/broker/providers.ts'
import { hash } from '../../lib/security/secrets.ts'
import { signedToken } from '../../lib/store/tokens.ts'
import type { TestApp } from './app.ts'
import { type BrowserActor, origin } from './broker.ts'

export const reports = 'https://reports.acme.test'
export const metrics = 'https://metrics.acme.test/v1'
const scopes = [
  { name: 'reports:read', text: 'read reports', risk: 'low' },
  { name: 'reports:write', text: 'write reports', risk: 'high' },
]

/** A tenant with two audiences of its own: one that is asked about, and one that is verified offline. */
export async function ownApisOf(app: TestApp, owner: BrowserActor) {
  const { ctx } = app
  const { id: providerId } = await createProvider(ctx, owner, { kind: 'own', name: 'Own APIs' })
  const add = (audience: string, alias: string, offline: boolean): Promise<AudienceView> =>
    addAudience(ctx, owner, { audience, name: alias, alias, settings: { scopes, offline } })
  return {
    providerId,
    issuer: `${origin}/t/${owner.slug}`,
    online: await add(reports, 'reports', false),
    offline: await add(metrics, 'metrics', true),
    add,
  }
}

export const issueOwn = (
  app: Pick<TestApp, 'ctx'>,
  actor: BrowserActor,
  project: string,
  { names = ['reports:read'], seconds = 900 }: { names?: string[]; seconds?: number } = {},
) => issueToken(app.ctx, actor, { project, scopes: { scopes: names }, lifetimeSeconds: seconds, purpose: 'a test' })

/** What a resource server is told of a token. */
export const told = (app: Pick<TestApp, 'ctx'>, value: string) => signedToken(app.ctx, hash(value))

/** A verifier as a resource server has one: it keeps the keys that it read for as long as it likes. */
export function verifierOf(
  app: TestApp,
  { issuer, audience, cacheSeconds }: { issuer: string; audience: string; cacheSeconds: number },
): (token: string) => Promise<JWTVerifyResult> {
  const fetchKeys = (url: string) => app.route(new Request(url))
  const keys = createRemoteJWKSet(new URL(`${issuer}/jwks.json`), {
    [customFetch]: fetchKeys as typeof fetch,
    cacheMaxAge: cacheSeconds * 1000,
    // It never asks again before its time, whatever key id it meets.
    cooldownDuration: Number.POSITIVE_INFINITY,
  })
  return (token) =>
    jwtVerify(token, keys, {
      issuer,
      audience,
      typ: 'at+jwt',
      algorithms: ['ES256'],
      requiredClaims: ['exp', 'iat', 'jti', 'sub', 'client_id'],
      currentDate: app.ctx.now(),
    })
}

export const decoded = (token: string) => ({ head: decodeProtectedHeader(token), claims: decodeJwt(token) })
