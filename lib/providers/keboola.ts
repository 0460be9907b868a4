import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { readJson } from '../security/json.ts'
import { isOutboundError } from '../security/outbound.ts'
import { Secret } from '../security/secrets.ts'
import { oidc } from './oidc.ts'
import {
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  longestGraceSeconds,
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  type RevocationOutcome,
  type TokenScopes,
  UpstreamError,
} from './provider.ts'
import { type CallKind, retryAfterSeconds, withRetries } from './retry.ts'

/** Paths and habits of a stack; the defaults are those of the stacks that run League (upstreams.md 0.2, 3.2). */
export const KeboolaSettings = z.strictObject({
  authorizePath: z.string().startsWith('/').default('/oauth/authorize'),
  tokenPath: z.string().startsWith('/').default('/oauth/token'),
  scope: z.string().optional(),
  /** How long an unused refresh token lives: a month, which no answer tells (upstreams.md 3.2.2). */
  refreshTokenDays: z.number().positive().default(30),
  /** How long a refresh token is still answered after its first use (upstreams.md 3.2.2); 0: not at all. */
  refreshGraceSeconds: z.number().min(0).max(longestGraceSeconds).default(30),
})

// Upstream objects: ids switch between string and number, an empty PHP map arrives as [], lists may be absent (trap 12).
const id = z.union([z.string().min(1), z.number()]).transform(String)
const emptyOrMap = z.union([z.array(z.never()).transform(() => ({})), z.record(z.string(), z.string())])
const StorageToken = z.object({ id, description: z.string().default('') })
/** All that is needed of a mint's answer to end the token again; the rest is judged by {@link excessOf}. */
const MintedToken = z.looseObject({ id, token: z.string().min(1) })
const MintedRights = z.object({
  created: z.string().nullish(),
  expires: z.string().nullish(),
  canManageBuckets: z.boolean().default(false),
  canReadAllFileUploads: z.boolean().default(false),
  bucketPermissions: emptyOrMap.default({}),
  componentAccess: z.array(z.string()).default([]),
  owner: z.object({ id }).nullish(),
})
const Verified = StorageToken.extend({
  admin: z.object({ id, name: z.string().default(''), role: z.string().nullish() }).nullish(),
  owner: z.object({ id, name: z.string(), region: z.string().nullish() }),
})
const Named = z.array(z.object({ id, name: z.string().nullish(), displayName: z.string().nullish() }))

type Credential = { bearer: Secret } | { storageToken: Secret }
type Call = { method?: 'GET' | 'POST' | 'DELETE'; path: string; as: Credential; body?: unknown }

/**
 * Keboola: League OAuth for the grant, the Storage API to make and end tokens (upstreams.md 3.2, 3.3). The consent names
 * exactly one project, which is learned from `verify` and not from the request (K-03, K-08).
 */
export function keboola({ issuer, clientId, clientSecret, settings }: ProviderSettings, deps: ProviderDeps): Provider {
  const { authorizePath, tokenPath, scope, refreshTokenDays } = KeboolaSettings.parse(settings)
  const grantExpiresInSeconds = refreshTokenDays * 86_400
  const protocol = oidc(
    async () => ({
      // League publishes no metadata: where its endpoints are is configuration, not discovery.
      server: { issuer, authorization_endpoint: `${issuer}${authorizePath}`, token_endpoint: `${issuer}${tokenPath}` },
      client: { client_id: clientId },
      auth: clientSecret ? oauth.ClientSecretPost(clientSecret.reveal()) : oauth.None(),
      parameters: (scope ? { scope } : {}) as Record<string, string>,
      openid: false,
      repeatsRefresh: true,
      // League 8 words a dead refresh token as 401 invalid_request (upstreams.md 0.3-5).
      readsAsRefused: ({ status, error }) => status === 401 && error === 'invalid_request',
    }),
    deps,
  )

  const storage = <T>(kind: CallKind, schema: z.ZodType<T>, call: Call) =>
    withRetries(deps, kind, async () => parse(schema, await send(call)))

  async function send({ method = 'GET', path, as, body }: Call): Promise<{ status: number; body: unknown }> {
    const headers = new Headers({ accept: 'application/json' })
    if ('bearer' in as) headers.set('authorization', `Bearer ${as.bearer.reveal()}`)
    else headers.set('x-storageapi-token', as.storageToken.reveal())
    if (body !== undefined) headers.set('content-type', 'application/json')
    const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    let response: Response
    try {
      response = await deps.fetch(`${issuer}/v2/storage${path}`, init)
    } catch (error) {
      if (!isOutboundError(error)) throw error
      throw new UpstreamError(error.reached ? 'ambiguous' : 'unreached', 'no answer', { cause: error })
    }
    const { status } = response
    if (response.ok) return { status, body: await readJson(response) }
    const more = { status, retryAfterSeconds: retryAfterSeconds(response.headers, deps.now()) }
    if (status === 429) throw new UpstreamError('unreached', 'the upstream asks to wait', more)
    if (status >= 500) throw new UpstreamError('ambiguous', 'the upstream failed', more)
    if (status === 401) throw new UpstreamError('refused', 'the token was refused', more)
    if (status === 403) throw new UpstreamError('forbidden', 'the role does not allow it', more)
    // A mint that it turned down for what it asks: an unknown bucket, an attribute that it does not take (3.3.1).
    if (method === 'POST' && [400, 404, 409, 422].includes(status))
      throw new UpstreamError('rejected', 'the upstream rejected the request', more)
    throw new UpstreamError('protocol', 'the upstream refused the request', more)
  }

  const verify = (as: Credential) => storage('read', Verified, { path: '/tokens/verify', as })

  const mint = (accessToken: Secret, { scopes, lifetimeSeconds, purpose, nonce }: IssueRequest) =>
    storage('mint', MintedToken, {
      method: 'POST',
      path: '/tokens',
      as: { bearer: accessToken },
      body: {
        description: describe(purpose, nonce),
        expiresIn: lifetimeSeconds,
        componentAccess: scopes.components,
        bucketPermissions: scopes.buckets,
        // Least privilege: a wide right is named only when chosen, managing tokens never (K-20, K-21).
        ...(scopes.manageBuckets ? { canManageBuckets: true } : {}),
        ...(scopes.readAllFiles ? { canReadAllFileUploads: true } : {}),
      },
    })

  /**
   * Ends a token and looks whether it is dead. It deletes itself, so this works after the connection is gone (3.3.3).
   * @throws UpstreamError while it was seen alive, or where a 404 may be a proxy's and nothing else is known
   */
  async function endToken({ upstreamId, handle }: { upstreamId: string; handle: Secret }): Promise<RevocationOutcome> {
    const as = { storageToken: handle }
    const remove = () => send({ method: 'DELETE', path: `/tokens/${upstreamId}`, as })
    const deletion = await withRetries(deps, 'revoke', remove).then(
      () => 'done' as const,
      (error: unknown) => {
        if (isUpstreamError(error) && error.failure === 'refused') return 'dead' as const
        if (isUpstreamError(error) && error.status === 404) return 'absent' as const
        throw error
      },
    )
    if (deletion === 'dead') return { state: 'confirmed' }
    const found = await verify(as).then(
      () => 'alive' as const,
      (error: unknown) =>
        isUpstreamError(error) && error.failure === 'refused' ? ('dead' as const) : ('unknown' as const),
    )
    if (found === 'dead') return { state: 'confirmed' }
    if (found === 'alive' || deletion === 'absent') throw new UpstreamError('ambiguous', 'the token may still work')
    return { state: 'done' }
  }

  /** Judges a minted token by its answer: whether it is no more than what was asked. */
  function judge(minted: z.infer<typeof MintedToken>, request: IssueRequest): IssuedUpstream {
    const now = deps.now()
    const value = new Secret(minted.token)
    const made = { value, upstreamId: minted.id, handle: value }
    const rights = MintedRights.safeParse(minted)
    const life = rights.success ? lifeSeconds(rights.data, now) : undefined
    const expiresAt = life === undefined ? undefined : new Date(now.getTime() + life * 1000)
    const exceeded = rights.success
      ? excessOf(minted, rights.data, life, request)
      : [...new Set(rights.error.issues.map(({ path: [field] }) => `an unreadable ${String(field)}`))]
    if (exceeded.length > 0 || !rights.success || !expiresAt)
      return { kind: 'beyond', token: { ...made, expiresAt }, exceeded }
    return { kind: 'within', token: { ...made, granted: toScopes(rights.data), expiresAt } }
  }

  /** Deletes what a cut-off mint left. Only who may list tokens can; for others the short lifetime is the clean-up. */
  async function deleteOrphans(accessToken: Secret, nonce: string): Promise<number> {
    const as = { bearer: accessToken }
    const tokens = await storage('read', z.array(StorageToken), { path: '/tokens', as })
    const orphans = tokens.filter((token) => token.description.includes(nonce))
    for (const orphan of orphans)
      await withRetries(deps, 'revoke', () => send({ method: 'DELETE', path: `/tokens/${orphan.id}`, as }))
    return orphans.length
  }

  return {
    authorizationUrl: protocol.authorizationUrl,
    async refresh(input) {
      const grant = await protocol.refresh(input)
      return { ...grant, grantExpiresInSeconds: grant.grantExpiresInSeconds ?? grantExpiresInSeconds }
    },

    async exchangeCode(input) {
      const { subject: _, ...grant } = await protocol.exchangeCode(input)
      const { owner, admin, id: tokenId } = await verify({ bearer: grant.accessToken })
      return {
        ...grant,
        grantExpiresInSeconds,
        account: { id: admin?.id ?? `token ${tokenId}`, name: admin?.name || `account ${admin?.id ?? tokenId}` },
        projects: [
          { externalId: owner.id, name: owner.name, region: owner.region ?? undefined, role: admin?.role ?? undefined },
        ],
      }
    },

    async issue({ accessToken, request }) {
      try {
        return judge(await mint(accessToken, request), request)
      } catch (error) {
        // A refusal left nothing behind; a 5xx, a lost answer or a success without a token may have (3.3.6).
        if (!isUpstreamError(error) || !mayHaveActed(error)) throw error
        await deleteOrphans(accessToken, request.nonce).catch(() => {
          throw new UpstreamError('ambiguous', 'the upstream did not say whether it made a token', { cause: error })
        })
        if (error.failure === 'protocol') throw error
        return judge(await mint(accessToken, request), request)
      }
    },

    async revoke(target): Promise<RevocationOutcome> {
      switch (target.kind) {
        case 'grant':
          return protocol.revokeGrant(target.refreshToken)
        case 'orphans': {
          const found = await deleteOrphans(target.accessToken, target.nonce)
          return { state: 'confirmed', found }
        }
        case 'token':
          return endToken(target)
      }
    },

    async lastUsed({ accessToken, upstreamId }) {
      // Without the filter the list also holds events about the token, such as its own creation (3.3.3).
      const query = new URLSearchParams({ limit: '1', q: `token.id:${upstreamId}` })
      const [event] = await storage('read', z.array(z.object({ created: z.string() })), {
        path: `/tokens/${upstreamId}/events?${query}`,
        as: { bearer: accessToken },
      })
      return event ? parseDate(event.created) : undefined
    },

    async scopeChoices({ accessToken }) {
      const as = { bearer: accessToken }
      const [verified, components, buckets] = await Promise.all([
        verify(as),
        storage('read', Named, { path: '/components', as }),
        storage('read', Named, { path: '/buckets', as }),
      ])
      const named = (list: z.infer<typeof Named>) =>
        list.map((item) => ({ id: item.id, name: item.displayName || item.name || item.id }))
      return { components: named(components), buckets: named(buckets), role: verified.admin?.role ?? undefined }
    },
  }
}

/** Any 2xx with the fields that are needed is success, 200 and 201 alike (K-19); a success without them is not (K-28). */
function parse<T>(schema: z.ZodType<T>, { status, body }: { status: number; body: unknown }): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new UpstreamError('protocol', 'the answer lacks what it must hold', { status })
}

const mayHaveActed = ({ failure, status }: UpstreamError) =>
  failure === 'ambiguous' || (failure === 'protocol' && status !== undefined && status < 300)

/** The upstream shows the description to people, and the nonce in it is how an orphan is recognised. */
const describe = (purpose: string, nonce: string) => `${purpose} · Valetkey ${nonce}`

/** `2026-11-20T10:00:00+0100` has no colon in its offset, which strict parsers refuse (trap 12). */
function parseDate(text: string): Date | undefined {
  const time = Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** Clocks differ by minutes (H-07). A `created` further ahead than this would hide how long a token really lives. */
const clockToleranceSeconds = 10 * 60

/** How long a token lives by the upstream's own clock, which may differ from ours; undefined: for ever, or unknown. */
function lifeSeconds({ created, expires }: z.infer<typeof MintedRights>, now: Date): number | undefined {
  const end = parseDate(expires ?? '')
  const latest = now.getTime() + clockToleranceSeconds * 1000
  const start = Math.min(parseDate(created ?? '')?.getTime() ?? now.getTime(), latest)
  return end && Math.max(0, (end.getTime() - start) / 1000)
}

/** Fields of a mint's answer that grant nothing, whatever they hold (upstreams.md 3.3.1). */
const harmless = new Set([
  'id',
  'token',
  'description',
  'created',
  'refreshed',
  'uri',
  'isExpired',
  'isDisabled',
  'isBYODB',
  'dailyCapacity',
  'creatorToken',
  'organization',
])
const ranks = new Map([
  ['read', 1],
  ['write', 2],
  ['manage', 3],
])
/** The end is counted in whole seconds and from when the upstream began. */
const lifeToleranceSeconds = 60

/**
 * What a minted token can, or lasts, beyond what was asked, as names (README, decision 14). A field that we do not know
 * counts unless it is empty: a flag of a newer upstream, `isMasterToken`, `admin`. Nothing of a value is in a name.
 */
function excessOf(
  answer: z.infer<typeof MintedToken>,
  rights: z.infer<typeof MintedRights>,
  life: number | undefined,
  { project, scopes, lifetimeSeconds }: IssueRequest,
): string[] {
  const name = (text: string) =>
    /^[\w.-]{1,100}$/.test(text) && !text.includes(answer.token) ? text : 'something with an odd name'
  const { canManageBuckets, canReadAllFileUploads, bucketPermissions, componentAccess, owner } = rights
  const exceeded: string[] = []
  if (canManageBuckets && !scopes.manageBuckets) exceeded.push('manage buckets')
  if (canReadAllFileUploads && !scopes.readAllFiles) exceeded.push('read all files')
  // Who manages buckets has every right on each, and the upstream lists them so: asked or not, it is said once.
  const managesAll = scopes.manageBuckets || canManageBuckets
  for (const [bucket, right] of Object.entries(bucketPermissions)) {
    const asked = managesAll ? 'manage' : Object.hasOwn(scopes.buckets, bucket) ? scopes.buckets[bucket] : undefined
    if ((ranks.get(right) ?? Number.POSITIVE_INFINITY) > (ranks.get(asked ?? '') ?? 0))
      exceeded.push(`${ranks.has(right) ? right : 'an unknown right on'} ${name(bucket)}`)
  }
  for (const component of componentAccess)
    if (!scopes.components.includes(component)) exceeded.push(`component ${name(component)}`)
  if (life === undefined) exceeded.push('no end')
  else if (life > lifetimeSeconds + lifeToleranceSeconds) exceeded.push('a longer life')
  if (owner && owner.id !== project) exceeded.push('another project')
  for (const [field, value] of Object.entries(answer))
    if (!harmless.has(field) && !Object.hasOwn(MintedRights.shape, field) && !saysNothing(value))
      exceeded.push(name(field))
  const shown = 20
  const rest = exceeded.length - shown
  return rest > 0 ? [...exceeded.slice(0, shown), `${rest} more`] : exceeded
}

const saysNothing = (value: unknown) => !value || (typeof value === 'object' && Object.keys(value).length === 0)

function toScopes({
  componentAccess,
  bucketPermissions,
  canManageBuckets,
  canReadAllFileUploads,
}: z.infer<typeof MintedRights>): TokenScopes {
  const buckets: TokenScopes['buckets'] = {}
  for (const [bucket, right] of Object.entries(bucketPermissions)) buckets[bucket] = right === 'read' ? 'read' : 'write'
  return { components: componentAccess, buckets, manageBuckets: canManageBuckets, readAllFiles: canReadAllFileUploads }
}
