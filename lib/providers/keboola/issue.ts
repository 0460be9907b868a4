import { z } from 'zod'
import { Secret } from '../../security/secrets.ts'
import {
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  type ProviderDeps,
  type RevocationOutcome,
  type Standing,
  UpstreamError,
} from '../provider.ts'
import { withRetries } from '../retry.ts'
import { callerOf, pastedIn } from './pasted.ts'
import type { KeboolaRights } from './rights.ts'
import {
  clockToleranceSeconds,
  emptyOrMap,
  id,
  lifeToleranceSeconds,
  parseDate,
  type Storage,
  StorageToken,
} from './storage.ts'

type Request = IssueRequest<KeboolaRights>

/** All that is needed of a mint's answer to end the token again; the rest is judged by {@link excessOf}. */
const MintedToken = z.looseObject({ id, token: z.string().min(1) })
const MintedRights = z.object({
  created: z.string().nullish(),
  expires: z.string().nullish(),
  canManageBuckets: z.boolean().default(false),
  canReadAllFileUploads: z.boolean().default(false),
  canManageTokens: z.boolean().default(false),
  bucketPermissions: emptyOrMap.default({}),
  componentAccess: z.array(z.string()).default([]),
  owner: z.object({ id }).nullish(),
})

/** Making and ending tokens through the Storage API. */
export function storageTokens({ ask, send, verify }: Storage, deps: ProviderDeps) {
  const mint = (accessToken: Secret, { project, rights, lifetimeSeconds, purpose, nonce }: Request) =>
    ask('mint', MintedToken, {
      method: 'POST',
      path: '/tokens',
      as: callerOf(accessToken, project),
      body: {
        description: describe(purpose, nonce),
        expiresIn: lifetimeSeconds,
        componentAccess: rights.components,
        bucketPermissions: rights.buckets,
        // Least privilege: a wide right is named only when chosen (K-20, K-21).
        ...(rights.manage_buckets ? { canManageBuckets: true } : {}),
        ...(rights.read_all_files ? { canReadAllFileUploads: true } : {}),
        ...(rights.manage_tokens ? { canManageTokens: true } : {}),
      },
    })

  /**
   * Ends a token and looks whether it is dead. It deletes itself, so this works after the connection is gone.
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
    const found = await standing(handle)
    if (found === 'dead') return { state: 'confirmed' }
    if (found === 'works' || deletion === 'absent')
      throw new UpstreamError('ambiguous', 'the token may still work', { alive: found === 'works' })
    return { state: 'done' }
  }

  /** Any token may ask about itself, so a refusal is a verdict. */
  const standing = (handle: Secret): Promise<Standing> =>
    verify({ storageToken: handle }).then(
      () => 'works',
      (error: unknown) => (isUpstreamError(error) && error.failure === 'refused' ? 'dead' : 'untold'),
    )

  /** Judges a minted token by its answer: whether it is no more than what was asked. */
  function judge(minted: z.infer<typeof MintedToken>, request: Request): IssuedUpstream<KeboolaRights> {
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
    return { kind: 'within', token: { ...made, granted: toRights(rights.data), expiresAt } }
  }

  /** Deletes what a cut-off mint left. Only who may list tokens can; for others the short lifetime is the clean-up. */
  async function deleteOrphans(accessToken: Secret, nonce: string, project: string): Promise<number> {
    const as = callerOf(accessToken, project)
    const tokens = await ask('read', z.array(StorageToken), { path: '/tokens', as })
    const orphans = tokens.filter((token) => token.description.includes(nonce))
    for (const orphan of orphans)
      await withRetries(deps, 'revoke', () => send({ method: 'DELETE', path: `/tokens/${orphan.id}`, as }))
    return orphans.length
  }

  /** What a mint that was cut off may have left is deleted before it is made once more (K-24). */
  async function issue({ accessToken, request }: { accessToken: Secret; request: Request }) {
    await refuseLimited(accessToken)
    try {
      return judge(await mint(accessToken, request), request)
    } catch (error) {
      // A refusal left nothing behind; a 5xx, a lost answer or a success without a token may have (K-24).
      if (!isUpstreamError(error) || !mayHaveActed(error)) throw error
      await deleteOrphans(accessToken, request.nonce, request.project).catch(() => {
        throw new UpstreamError('ambiguous', 'the upstream did not say whether it made a token', { cause: error })
      })
      if (error.failure === 'protocol') throw error
      return judge(await mint(accessToken, request), request)
    }
  }

  /** A pasted token that is no master token makes none, and is answered 500 where it may manage tokens: it is not sent. */
  async function refuseLimited(accessToken: Secret): Promise<void> {
    const storageToken = pastedIn(accessToken)
    if (!storageToken) return
    const { isMasterToken, admin } = await verify({ storageToken })
    if (!(isMasterToken ?? admin)) throw new UpstreamError('forbidden', 'the pasted token is not a master token')
  }

  return { issue, endToken, standing, deleteOrphans }
}

const mayHaveActed = ({ failure, status }: UpstreamError) =>
  failure === 'ambiguous' || (failure === 'protocol' && status !== undefined && status < 300)

/** The upstream shows the description to people, and the nonce in it is how an orphan is recognised. */
const describe = (purpose: string, nonce: string) => `${purpose} · Valetkey ${nonce}`

/** How long a token lives by the upstream's own clock, which may differ from ours; undefined: for ever, or unknown. */
function lifeSeconds({ created, expires }: z.infer<typeof MintedRights>, now: Date): number | undefined {
  const end = parseDate(expires ?? '')
  const latest = now.getTime() + clockToleranceSeconds * 1000
  const start = Math.min(parseDate(created ?? '')?.getTime() ?? now.getTime(), latest)
  return end && Math.max(0, (end.getTime() - start) / 1000)
}

/** Fields of a mint's answer that grant nothing, whatever they hold. */
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
/**
 * What a minted token can, or lasts, beyond what was asked, as names (docs/decisions/0014). A field that we do not know
 * counts unless it is empty: a flag of a newer upstream, `isMasterToken`, `admin`. Nothing of a value is in a name.
 */
function excessOf(
  answer: z.infer<typeof MintedToken>,
  rights: z.infer<typeof MintedRights>,
  life: number | undefined,
  { project, rights: asked, lifetimeSeconds }: Request,
): string[] {
  const name = (text: string) =>
    /^[\w.-]{1,100}$/.test(text) && !text.includes(answer.token) ? text : 'something with an odd name'
  const { canManageBuckets, canReadAllFileUploads, canManageTokens, bucketPermissions, componentAccess, owner } = rights
  const exceeded: string[] = []
  if (canManageBuckets && !asked.manage_buckets) exceeded.push('manage buckets')
  if (canReadAllFileUploads && !asked.read_all_files) exceeded.push('read all files')
  if (canManageTokens && !asked.manage_tokens) exceeded.push('manage tokens')
  // Who manages buckets has every right on each, and the upstream lists them so: asked or not, it is said once.
  const managesAll = asked.manage_buckets || canManageBuckets
  for (const [bucket, right] of Object.entries(bucketPermissions)) {
    const limit = managesAll ? 'manage' : Object.hasOwn(asked.buckets, bucket) ? asked.buckets[bucket] : undefined
    if ((ranks.get(right) ?? Number.POSITIVE_INFINITY) > (ranks.get(limit ?? '') ?? 0))
      exceeded.push(`${ranks.has(right) ? right : 'an unknown right on'} ${name(bucket)}`)
  }
  for (const component of componentAccess)
    if (!asked.components.includes(component)) exceeded.push(`component ${name(component)}`)
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

function toRights({
  componentAccess,
  bucketPermissions,
  canManageBuckets,
  canReadAllFileUploads,
  canManageTokens,
}: z.infer<typeof MintedRights>): KeboolaRights {
  const buckets: KeboolaRights['buckets'] = {}
  for (const [bucket, right] of Object.entries(bucketPermissions)) buckets[bucket] = right === 'read' ? 'read' : 'write'
  return {
    components: componentAccess,
    buckets,
    manage_buckets: canManageBuckets,
    read_all_files: canReadAllFileUploads,
    manage_tokens: canManageTokens,
  }
}
