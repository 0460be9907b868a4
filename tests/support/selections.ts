// What a filter matches, previewed and revoked as the console does it.
import { tick } from '../../lib/jobs/tick.ts'
import type { Jar, TestApp, TokenOnWire } from './app.ts'

type Preview = {
  as_of: string
  count: number
  tokens: number
  used_lately: number
  owners: { owner_id: string; count: number }[]
  owner_count: number
  used_in_hour: number
  projects: { project_id: string; name: string; count: number }[]
  project_count: number
  webhooks: { webhook_id: string; host: string; owner_id: string }[]
  upstreams: { provider_id: string; what: string; effect: string; count: number; latest: string | null }[]
}
type Selected = {
  act: string
  total: number
  ended: number
  blocked_at: string | null
  code?: string
  detail?: string
  fields?: Record<string, string>
}
export type Filter = Record<string, unknown>

/** Acts on the selections of `acme`; of `person`, unless another is named. Both are there once the test has begun. */
export function selectionsOf(app: () => TestApp, person: () => Jar) {
  const preview = async (filter: Filter, jar = person()) =>
    (
      await app().call<Preview>(
        jar,
        'GET',
        `/tenants/acme/revocations/preview?${new URLSearchParams({ kind: 'tokens', ...filter })}`,
      )
    ).body
  /** Revokes, and answers the act once all of it is blocked here. */
  const act = async (selection: Filter, jar = person()) => {
    const sent = await app().call<Selected>(jar, 'POST', '/tenants/acme/revocation-acts', {
      kind: 'tokens',
      reason: 'laptop lost',
      ...selection,
    })
    if (sent.status !== 201) return sent
    const read = () => app().call<Selected>(jar, 'GET', `/tenants/acme/revocation-acts/${sent.body.act}`)
    for (let seen = await read(); ; seen = await read()) {
      if (seen.body.blocked_at !== null) return { ...seen, status: sent.status }
      // What the request did not get to, within the while that it waits.
      await tick(app().ctx)
    }
  }
  /**
   * Copies of a token, that many, as if somebody had issued them; they come before it in the list. Of those for the proxy no upstream is
   * told.
   */
  const copies = (token: TokenOnWire, count: number, strategy: 'mint' | 'proxy' = 'mint') =>
    app().rows(
      'acme',
      `INSERT INTO issued_token (tenant_id, id, user_id, project_id, connection_id, provider_id, strategy, status, nonce, purpose,
         scopes_asked, generations, expires_at, created_at, secret_hash)
       SELECT tenant_id, 'tok_' || lpad(to_hex(n), 32, '0'), user_id, project_id, connection_id, provider_id, $3, 'live',
         'n' || n, purpose, scopes_asked, generations, expires_at, created_at,
         CASE WHEN $3 = 'proxy' THEN sha256(('copy' || n)::bytea) END
       FROM issued_token, generate_series(1, $2) n WHERE id = $1`,
      [token.id, count, strategy],
    )
  const dropCopies = async () => {
    await app().rows('acme', `DELETE FROM upstream_revocation WHERE token_id LIKE 'tok_0000%'`)
    await app().rows('acme', `DELETE FROM issued_token WHERE id LIKE 'tok_0000%'`)
  }
  return { preview, act, copies, dropCopies }
}
