import { z } from 'zod'
import type { AuditView } from '../../audit/list.ts'
import type { FreezeView, FrozenView } from '../../broker/freezes.ts'
import type { AttemptView } from '../../broker/link/attempt.ts'
import type { NotificationView } from '../../broker/notifications.ts'
import type { ProviderView } from '../../broker/providers.ts'
import type {
  ConnectionDetail,
  ConnectionView,
  Page,
  ProjectCard,
  ProjectDetail,
  UnconfirmedRevocation,
} from '../../broker/read/inventory.ts'
import type { TokenView } from '../../broker/read/token.ts'
import type { RevokeResult } from '../../broker/revoke.ts'
import type { TokenScopes } from '../../providers/provider.ts'
import { freezeKinds } from '../../store/freezes.ts'
import type { InvitationPreview, InvitationView } from '../../tenancy/invitations.ts'
import type { MemberView } from '../../tenancy/members.ts'
import type { DeliveryView, WebhookView } from '../../webhooks/webhooks.ts'
import { id, instant, object, role } from './schemas.ts'

/** What use cases answer, as the wire has it: each schema with the function that makes it. Nothing passes unnamed. */

const text = z.string()
const when = (moment: Date) => moment.toISOString()
const whenever = (moment: Date | null) => moment?.toISOString() ?? null
const latest = (moment: Date | 'unknown' | null) => (moment === 'unknown' ? moment : whenever(moment))
const instantOrNull = instant.nullable()
const upstreamState = z.enum(['pending', 'done', 'confirmed', 'failed', 'impossible'])
const kind = z.enum(['oidc', 'keycloak', 'keboola', 'mcp'])

export const provider = object({
  id,
  kind,
  name: text,
  issuer: text,
  /** Empty for who does not oversee the tenant. */
  client_id: text,
  has_secret: z.boolean(),
  redirect_uri: text,
  max_lifetime_seconds: z.int().nullable(),
  /** How long an unused refresh token lives there. */
  refresh_token_days: z.number(),
  /** How long it is still answered after its first use. */
  refresh_grace_seconds: z.number(),
})

export const toProvider = (view: ProviderView): z.input<typeof provider> => ({
  id: view.id,
  kind: view.kind,
  name: view.name,
  issuer: view.issuer,
  client_id: view.clientId,
  has_secret: view.hasSecret,
  redirect_uri: view.redirectUri,
  max_lifetime_seconds: view.maxLifetimeSeconds,
  refresh_token_days: view.refreshTokenDays,
  refresh_grace_seconds: view.refreshGraceSeconds,
})

/** A page as the wire has it; `toItem` makes its items. */
export const toPage = <V, W>({ items, total, totalIsCapped, next }: Page<V>, toItem: (view: V) => W) => ({
  items: items.map(toItem),
  total,
  total_is_capped: totalIsCapped,
  next,
})

const providerReference = object({ id, name: text, kind: text })

/** A freeze that stands. */
export const freeze = object({
  kind: z.enum(freezeKinds),
  /** Of what is frozen. */
  id,
  /** Who froze it; null where nobody knows. */
  by: id.nullable(),
  at: instant,
  reason: text.nullable(),
  /** When it ends by itself; null: when somebody lifts it. */
  until: instantOrNull,
})

export const toFreeze = (view: FreezeView): z.input<typeof freeze> => ({
  kind: view.kind,
  id: view.id,
  by: view.by,
  at: when(view.at),
  reason: view.reason,
  until: whenever(view.until),
})

/** What keeps something from being linked, issued or renewed, whatever its status; null: nothing does. */
const frozen = object({
  /** Of what is frozen; `membership`: the owner is suspended. */
  kind: z.enum([...freezeKinds, 'membership']),
  /** Told to who oversees the tenant. */
  by: id.nullable(),
  at: instantOrNull,
  reason: text.nullable(),
  until: instantOrNull,
}).nullable()

const toFrozen = (view: FrozenView | null): z.input<typeof frozen> =>
  view && { kind: view.kind, by: view.by, at: whenever(view.at), reason: view.reason, until: whenever(view.until) }

const connectionFacts = object({
  id,
  owner_id: id,
  account_name: text,
  /** As the upstream calls it. */
  upstream_role: text.nullable(),
  status: z.enum(['linked', 'degraded', 'uncertain', 'needs_relink', 'revoked']),
  cause: text.nullable(),
  frozen,
  status_since: instant,
  last_refresh_at: instantOrNull,
  /** While it rests after a failure. */
  next_try_at: instantOrNull,
  /** When the background renews it by itself. */
  next_renewal_at: instantOrNull,
  /** Until when the stored access token works, whatever the upstream does. */
  serves_until: instantOrNull,
  /** When the grant ends unless it is renewed; null where nobody knows. */
  grant_expires_at: instantOrNull,
  linked_at: instant,
  branch: text.nullable(),
})

export const connection = object({
  ...connectionFacts.shape,
  provider: providerReference,
  project: object({ id, name: text, alias: text, external_id: text }).nullable(),
})

const toConnectionFacts = (view: Omit<ConnectionView, 'project' | 'provider'>): z.input<typeof connectionFacts> => ({
  id: view.id,
  owner_id: view.ownerId,
  account_name: view.accountName,
  upstream_role: view.upstreamRole,
  status: view.status,
  cause: view.cause,
  frozen: toFrozen(view.frozen),
  status_since: when(view.statusSince),
  last_refresh_at: whenever(view.lastRefreshAt),
  next_try_at: whenever(view.nextTryAt),
  next_renewal_at: whenever(view.nextRenewalAt),
  serves_until: whenever(view.servesUntil),
  grant_expires_at: whenever(view.grantExpiresAt),
  linked_at: when(view.linkedAt),
  branch: view.branchId,
})

export const toConnection = (view: ConnectionView): z.input<typeof connection> => ({
  ...toConnectionFacts(view),
  provider: { id: view.provider.id, name: view.provider.name, kind: view.provider.kind },
  project: view.project && {
    id: view.project.id,
    name: view.project.name,
    alias: view.project.alias,
    external_id: view.project.externalId,
  },
})

export const project = object({
  id,
  name: text,
  alias: text,
  external_id: text,
  region: text.nullable(),
  provider: object({ ...providerReference.shape, host: text }),
  /** The caller's own; null where they have not linked it. */
  connection: connectionFacts.nullable(),
  /** Of the strongest freeze that keeps the caller from it. */
  frozen,
  /** The caller's own living tokens. */
  tokens_out: z.int(),
})

export const toProject = (view: ProjectCard): z.input<typeof project> => ({
  id: view.id,
  name: view.name,
  alias: view.alias,
  external_id: view.externalId,
  region: view.region,
  provider: { id: view.provider.id, name: view.provider.name, kind: view.provider.kind, host: view.provider.host },
  connection: view.connection && toConnectionFacts(view.connection),
  frozen: toFrozen(view.frozen),
  tokens_out: view.tokensOut,
})

/** The longest life of a token, and whose policy says so. */
export const cap = object({ seconds: z.int(), set_by: z.enum(['project', 'provider', 'tenant']) })
export const toCap = ({ seconds, setBy }: ProjectDetail['cap']): z.input<typeof cap> => ({ seconds, set_by: setBy })

export const projectDetail = object({
  ...project.shape,
  /** Present and former; all of them resolve. */
  aliases: z.array(text),
  cap,
})

export const toProjectDetail = (view: ProjectDetail): z.input<typeof projectDetail> => ({
  ...toProject(view),
  aliases: view.aliases,
  cap: toCap(view.cap),
})

export const scopes = object({
  components: z.array(text),
  /** Bucket id -> right. */
  buckets: z.record(text, z.enum(['read', 'write'])),
  manage_buckets: z.boolean(),
  read_all_files: z.boolean(),
})

const toScopes = (view: TokenScopes): z.input<typeof scopes> => ({
  components: view.components,
  buckets: view.buckets,
  manage_buckets: view.manageBuckets,
  read_all_files: view.readAllFiles,
})

export const token = object({
  id,
  fingerprint: text.nullable(),
  owner_id: id,
  project: object({ id, name: text, alias: text }),
  provider: providerReference,
  connection_id: id,
  purpose: text,
  strategy: z.enum(['mint', 'exchange', 'narrow', 'sign']),
  state: z.enum(['issuing', 'live', 'ended', 'revoked', 'failed']),
  asked: scopes,
  /** From what came back, never from what was sent. */
  granted: scopes.nullable(),
  /** Rights that were asked and not granted, in words. */
  not_granted: z.array(text),
  failure: text.nullable(),
  created_at: instant,
  expires_at: instant,
  /** Null: not reported. */
  last_used_at: instantOrNull,
  revoked_by: id.nullable(),
  /** The three truths: blocked here, revoked upstream, the latest moment it could still work. */
  revocation: object({
    blocked_at: instant,
    upstream: upstreamState,
    last_error: text.nullable(),
    tries: z.int(),
    next_try_at: instantOrNull,
    /** Null once the upstream was seen to refuse it. */
    latest_moment: z.union([instant, z.literal('unknown')]).nullable(),
  }).nullable(),
})

export const toToken = (view: TokenView): z.input<typeof token> => ({
  id: view.id,
  fingerprint: view.fingerprint,
  owner_id: view.ownerId,
  project: { id: view.project.id, name: view.project.name, alias: view.project.alias },
  provider: { id: view.provider.id, name: view.provider.name, kind: view.provider.kind },
  connection_id: view.connectionId,
  purpose: view.purpose,
  strategy: view.strategy,
  state: view.state,
  asked: toScopes(view.asked),
  granted: view.granted && toScopes(view.granted),
  not_granted: view.notGranted,
  failure: view.failure,
  created_at: when(view.createdAt),
  expires_at: when(view.expiresAt),
  last_used_at: whenever(view.lastUsedAt),
  revoked_by: view.revokedBy,
  revocation: view.revocation && {
    blocked_at: when(view.revocation.blockedAt),
    upstream: view.revocation.upstream,
    last_error: view.revocation.lastError,
    tries: view.revocation.tries,
    next_try_at: whenever(view.revocation.nextTryAt),
    latest_moment: latest(view.revocation.latestMoment),
  },
})

export const attempt = object({
  id,
  provider_id: id,
  purpose: z.enum(['link', 'relink']),
  status: z.enum(['pending', 'expired', 'done', 'failed']),
  /** Why it failed: an error code, or `cancelled`. */
  outcome: text.nullable(),
  detail: text.nullable(),
  /** What came back is kept until `expires_at`: it can be linked as new, or under another alias. */
  can_adopt: z.boolean(),
  connection_id: id.nullable(),
  project_id: id.nullable(),
  created_at: instant,
  expires_at: instant,
})

export const toAttempt = (view: AttemptView): z.input<typeof attempt> => ({
  id: view.id,
  provider_id: view.providerId,
  purpose: view.purpose,
  status: view.status,
  outcome: view.outcome,
  detail: view.detail,
  can_adopt: view.canAdopt,
  connection_id: view.connectionId,
  project_id: view.projectId,
  created_at: when(view.createdAt),
  expires_at: when(view.expiresAt),
})

/** What a revocation came to, in the three truths (product.md, Revocation). */
export const revoked = object({
  kind: z.enum(['token', 'connection']),
  id,
  /** It was revoked before; nothing was done now. */
  already: z.boolean(),
  /** It had ended by itself, or never came to be: nothing was left to revoke. */
  over: z.boolean(),
  blocked_here: z.literal(true),
  /** Null: nothing is left to do there. */
  upstream: upstreamState.nullable(),
  last_error: text.nullable(),
  /** The latest moment it could still work; null: it is over, seen to be refused or past its end. */
  latest_moment: z.union([instant, z.literal('unknown')]).nullable(),
})

export const toRevoked = (view: RevokeResult): z.input<typeof revoked> => ({
  kind: view.kind,
  id: view.id,
  already: view.already,
  over: view.over,
  blocked_here: true,
  upstream: view.upstream,
  last_error: view.lastError,
  latest_moment: latest(view.latestMoment),
})

export const unconfirmed = object({
  id,
  /** `orphans`: whatever a cut-off issue may have left upstream. */
  kind: z.enum(['token', 'grant', 'orphans']),
  token_id: id.nullable(),
  fingerprint: text.nullable(),
  connection_id: id,
  owner_id: id.nullable(),
  /** Its name. */
  project: text.nullable(),
  state: z.enum(['pending', 'failed']),
  tries: z.int(),
  last_error: text.nullable(),
  next_try_at: instantOrNull,
  created_at: instant,
  latest_moment: instantOrNull,
})

export const toUnconfirmed = (view: UnconfirmedRevocation): z.input<typeof unconfirmed> => ({
  id: view.id,
  kind: view.kind,
  token_id: view.tokenId,
  fingerprint: view.fingerprint,
  connection_id: view.connectionId,
  owner_id: view.ownerId,
  project: view.project,
  state: view.state,
  tries: view.tries,
  last_error: view.lastError,
  next_try_at: whenever(view.nextTryAt),
  created_at: when(view.createdAt),
  latest_moment: whenever(view.latestMoment),
})

export const member = object({
  user_id: id,
  name: text,
  email: text.nullable(),
  role,
  status: z.enum(['active', 'suspended']),
  joined_at: instant,
})

export const toMember = (view: MemberView): z.input<typeof member> => ({
  user_id: view.userId,
  name: view.name,
  email: view.email,
  role: view.role,
  status: view.status,
  joined_at: when(view.joinedAt),
})

/** What suspending or removing somebody reaches. */
export const ending = object({
  sessions: z.int(),
  connections: z.int(),
  tokens: z.int(),
  invitations: z.int(),
  webhooks: z.int(),
})

export const invitation = object({ id, role, note: text.nullable(), created_by: id, expires_at: instant })

export const toInvitation = (view: InvitationView): z.input<typeof invitation> => ({
  id: view.id,
  role: view.role,
  note: view.note,
  created_by: view.createdBy,
  expires_at: when(view.expiresAt),
})

export const invitationPreview = object({
  tenant: text,
  role,
  /** `over`: too old, or whoever made it can no longer give this role. */
  state: z.enum(['open', 'used', 'over']),
  expires_at: instant,
})

export const toInvitationPreview = (view: InvitationPreview): z.input<typeof invitationPreview> => ({
  tenant: view.tenantName,
  role: view.role,
  state: view.state,
  expires_at: when(view.expiresAt),
})

export const auditEvent = object({
  id,
  at: instant,
  action: text,
  outcome: z.enum(['ok', 'refused', 'failed']),
  /** Null: the product itself. */
  actor_id: id.nullable(),
  target: object({ kind: text, id: text }).nullable(),
  address: text.nullable(),
  agent: text.nullable(),
  request_id: text.nullable(),
  details: z.record(text, z.unknown()),
})

export const toAuditEvent = (view: AuditView): z.input<typeof auditEvent> => ({
  id: view.id,
  at: when(view.at),
  action: view.action,
  outcome: view.outcome,
  actor_id: view.actorId,
  target: view.target,
  address: view.address,
  agent: view.agent,
  request_id: view.requestId,
  details: view.details,
})

export const connectionDetail = object({
  ...connection.shape,
  /** What happened to it, newest first. */
  timeline: z.array(auditEvent),
})

export const toConnectionDetail = (view: ConnectionDetail): z.input<typeof connectionDetail> => ({
  ...toConnection(view),
  timeline: view.timeline.map(toAuditEvent),
})

export const notification = object({
  id,
  /** What happened; new kinds may appear. */
  kind: text,
  connection_id: id.nullable(),
  provider_id: id.nullable(),
  /** Addressed to everybody who administers: whoever reads it first reads it for all. */
  for_admins: z.boolean(),
  cause: text.nullable(),
  /** When the grant ends, for `grant.ending`. */
  ends_at: instantOrNull,
  /** Why and until when, for a freeze. */
  reason: text.nullable(),
  until: instantOrNull,
  projects: z.array(object({ id, alias: text })),
  created_at: instant,
  read_at: instantOrNull,
})

export const toNotification = (view: NotificationView): z.input<typeof notification> => ({
  id: view.id,
  kind: view.kind,
  connection_id: view.connectionId,
  provider_id: view.providerId,
  for_admins: view.forAdmins,
  cause: view.cause,
  ends_at: whenever(view.endsAt),
  reason: view.reason,
  until: whenever(view.until),
  projects: view.projects.map((project) => ({ id: project.id, alias: project.alias })),
  created_at: when(view.createdAt),
  read_at: whenever(view.readAt),
})

export const webhook = object({
  id,
  url: text,
  enabled: z.boolean(),
  /** Why it is off, where nobody switched it off. */
  disabled_cause: z.enum(['gone', 'failing']).nullable(),
  created_by: id,
  /** Whoever made it administers no more: an admin should take it over. */
  orphaned: z.boolean(),
  created_at: instant,
  last_success_at: instantOrNull,
  last_failure_at: instantOrNull,
  /** Of the first failure since the last success. */
  failing_since: instantOrNull,
  /** Until when messages carry a second signature, by the key before the last rotation. */
  previous_until: instantOrNull,
})

export const toWebhook = (view: WebhookView): z.input<typeof webhook> => ({
  id: view.id,
  url: view.url,
  enabled: view.enabled,
  disabled_cause: view.disabledCause,
  created_by: view.createdBy,
  orphaned: view.orphaned,
  created_at: when(view.createdAt),
  last_success_at: whenever(view.lastSuccessAt),
  last_failure_at: whenever(view.lastFailureAt),
  failing_since: whenever(view.failingSince),
  previous_until: whenever(view.previousUntil),
})

export const delivery = object({
  /** What the receiver tells repeats by: the `webhook-id` header. */
  id,
  kind: text,
  state: z.enum(['pending', 'delivered', 'failed']),
  tries: z.int(),
  next_try_at: instantOrNull,
  /** HTTP status of the last answer. */
  last_status: z.int().nullable(),
  /** not_reached, no_answer, unreadable, http_<status>, webhook_off, interrupted. */
  last_error: text.nullable(),
  created_at: instant,
  finished_at: instantOrNull,
})

export const toDelivery = (view: DeliveryView): z.input<typeof delivery> => ({
  id: view.id,
  kind: view.kind,
  state: view.state,
  tries: view.tries,
  next_try_at: whenever(view.nextTryAt),
  last_status: view.lastStatus,
  last_error: view.lastError,
  created_at: when(view.createdAt),
  finished_at: whenever(view.finishedAt),
})
