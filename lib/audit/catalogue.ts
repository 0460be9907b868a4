import { z } from 'zod'

/** What an act is done to, and the facts that help to understand it: codes, counts, ids; never a secret. */
const act = <const Kind extends string, Shape extends z.ZodRawShape>(kinds: readonly Kind[], details: Shape) => ({
  kinds,
  details: z.strictObject(details),
})

const text = z.string()
const count = z.int()
const role = z.enum(['owner', 'admin', 'member', 'auditor'])
/** In the words of whoever did it. */
const reason = text.nullable()
const texts = z.array(text)
/** What ended with somebody's rights. */
const ended = {
  sessions: count.optional(),
  connections: count.optional(),
  tokens: count.optional(),
  grants: count.optional(),
  invitations: count,
  webhooks: count,
  /** The row of the act, which tells how it goes on. */
  act: text.optional(),
  reason,
}
/** Of what happens as often as somebody reloads a page: one event stands for all of a minute. */
const access = { role, things: texts.optional(), count: count.optional(), minute: z.iso.datetime().optional() }
const frozen = ['member', 'project', 'provider', 'connection', 'client', 'grant'] as const

/** Every act that the trail knows: which kinds of thing it is done to, and what is told of it. */
export const catalogue = {
  'signin.succeeded': act(['session'], { issuer: text }),
  'signin.failed': act([], { code: text }),
  /** `owner`: whose it was, where somebody else ended it. */
  'signin.ended': act(['session'], { cause: text, owner: text.optional() }),
  'tenant.created': act(['tenant'], { slug: text }),
  'tenant.shredded': act(['tenant'], { keys: count, values: count }),
  'member.added': act(['member'], { invitation: text, role }),
  'member.changed': act(['member'], { role: role.optional(), status: text.optional(), ...ended }),
  'member.removed': act(['member'], ended),
  'member.left': act(['member'], ended),
  /** Everything that they hold here. `blocked`: their way in as well. */
  'member.revoked': act(['member'], { ...ended, blocked: z.boolean() }),
  /** One session, by the tenant alone. */
  'member.session_ended': act(['member'], { session: text, reason: reason.optional() }),
  'invitation.created': act(['invitation'], { role }),
  'invitation.withdrawn': act(['invitation'], {}),
  'provider.created': act(['provider'], { kind: text, issuer: text }),
  'provider.changed': act(['provider'], {
    changed: texts,
    /** How the upstream took a new client secret. */
    trial: text.optional(),
    /** Whom members may become upstream from now on. */
    impersonation: z.array(z.strictObject({ member: text, usernames: texts })).optional(),
  }),
  'provider.removed': act(['provider'], { issuer: text }),
  /** A client that had registered itself was taken back (RFC 7592), or could not be. */
  'provider.unregistered': act(['provider'], { state: text, tries: count }),
  /** How many lines ended in which state. The daily checks change nothing and leave no event. */
  'provider.checked': act(['provider'], { ok: count, attention: count, failed: count, unknown: count }),
  /** Tools of an MCP server, each as it was when somebody looked at it; names as their server spells them, cut. */
  'tools.reviewed': act(['project'], { tools: z.array(z.strictObject({ name: text, hash: text })) }),
  'project.renamed': act(['project'], { from: text, to: text }),
  /** An audience of the tenant's own: what its tokens may be given, and whether they are verified without us. */
  'audience.added': act(['project'], { audience: text, scopes: texts, offline: z.boolean() }),
  'audience.changed': act(['project'], { changed: texts, scopes: texts, offline: z.boolean() }),
  'audience.removed': act(['project'], { audience: text, tokens: count, reason }),
  /** A program asked its person; by which of its grants or tokens. Details as the upstream named them: scopes. */
  'link.asked': act(['provider'], {
    request: text,
    project: text,
    cause: text,
    scopes: texts.optional(),
    grant: text.optional(),
    token: text.optional(),
  }),
  'link.declined': act(['provider'], { request: text }),
  /** What was open and would have let somebody or something in; of whom, where it waited for somebody already. */
  'request.withdrawn': act(['tenant'], { request: text, kind: text, owner: text.nullable(), reason }),
  'link.started': act(['provider'], { attempt: text }),
  /** `by`: a consent, or a pasted token, which has no attempt; `before`: what it took the place of, where that was the other. */
  'link.completed': act(['connection'], {
    attempt: text.optional(),
    by: text.optional(),
    before: text.optional(),
    project: text,
    provider: text,
    relinked: z.boolean(),
    account: text,
  }),
  'link.failed': act(['provider', 'attempt'], { attempt: text.optional(), code: text }),
  // To be linked again by its person, and then a silent refresh did.
  'connection.worked_again': act(['connection'], { attempt: text }),
  'connection.changed': act(['connection'], {
    branch: text.nullable().optional(),
    rotate_days: count.nullable().optional(),
    warning: z.boolean().optional(),
  }),
  /** The value of a pasted token: its owner asked for another one; and how that ended, by vk.refresh_store. */
  'connection.rotation_asked': act(['connection'], { rotate_days: count.nullable() }),
  'connection.rotated': act(['connection'], { version: count, scheduled: z.boolean(), replaced: z.boolean() }),
  /** One of several projects was taken off it. */
  'connection.project_left': act(['connection'], { owner: text, project: text, tokens: count }),
  /** Another session of its owner's at the upstream, by a handle of ours: `asked`, before the upstream is, and what came of it. */
  'connection.session_ended': act(['connection'], { session: text, state: text }),
  'connection.revoked': act(['connection'], { owner: text, tokens: count, reason }),
  /** The upstream says that the session is over in which it was linked. `offline`: it took offline access along. */
  'connection.signed_out': act(['connection'], { owner: text, offline: z.boolean() }),
  /** An MCP server refused its token, which had just been renewed. */
  'connection.turned_away': act(['connection'], { owner: text, project: text }),
  'freeze.set': act(frozen, { owner: text.optional(), reason, until: z.iso.datetime().nullable() }),
  'freeze.lifted': act(frozen, { owner: text.optional() }),
  /** Of a version before, when a freeze was a connection's status. */
  'connection.frozen': act(['connection'], { reason: reason.optional() }),
  'connection.unfrozen': act(['connection'], { reason: reason.optional() }),
  /** Both written by database functions as well (vk.refresh_store, vk.refresh_fail, vk.refresh_claim). */
  'refresh.succeeded': act(['connection'], {
    version: count,
    before: text,
    scheduled: z.boolean(),
    flag: text.nullable(),
  }),
  'refresh.failed': act(['connection'], {
    status: text.optional(),
    cause: text,
    failure: text.optional(),
    upstream_status: count.nullable().optional(),
    served: z.boolean().nullable().optional(),
    ended_at: z.iso.datetime().optional(),
  }),
  'token.requested': act(['token'], {
    project: text,
    /** None of an audience of the tenant's own. */
    connection: text.optional(),
    seconds: count,
    /** In the words of the kind of its provider. */
    rights: texts,
    /** Whom the member becomes upstream, by the name that was asked for. */
    impersonates: text.optional(),
    /** The component and the configuration that the page authorizes which is opened with it. */
    authorizes: text.optional(),
  }),
  'token.issued': act(['token'], {
    strategy: text,
    fingerprint: text,
    /** Of a token that names more than its member: them, whom it is about upstream, and which client acts with it. */
    member: text.optional(),
    upstream_subject: text.optional(),
    upstream_username: text.optional(),
    actor: text.optional(),
  }),
  'token.failed': act(['token'], {
    code: text,
    unsure: z.boolean().optional(),
    /** Why an upstream turned it down, where that is known; a code of the kind. */
    reason: text.optional(),
    exceeded: texts.optional(),
    deleted: count.optional(),
  }),
  /** Through the proxy. `first`: nobody had used it before; otherwise all of a minute. Bytes of bodies. */
  /** Of a grant: through the gateway of an MCP server, with an access token of it. */
  'token.used': act(['token', 'grant'], {
    project: text.optional(),
    first: z.boolean().optional(),
    minute: z.iso.datetime().optional(),
    requests: count.optional(),
    refused: count.optional(),
    bytes_sent: count.optional(),
    bytes_received: count.optional(),
  }),
  /** `tokens`: of those that it issued, how many ended with it. */
  'grant.ended': act(['grant'], { owner: text, client: text, cause: text, tokens: count, reason }),
  'token.revoked': act(['token'], { owner: text, project: text.optional(), fingerprint: text.nullable(), reason }),
  /** A paste was looked through: how many values were looked up, and how many of them are this tenant's. */
  'leak.inspected': act([], { candidates: count, found: count }),
  /** Somebody showed a credential at the public door, which ended what it opens. `form`: what was shown. */
  'leak.reported': act(['token', 'grant', 'client'], { form: text, owner: text.nullable() }),
  /** Everything that a filter matched. */
  'selection.revoked': act(['revocation_act'], { act: text, kind: text, count, reason }),
  /** A signed receipt of it was made. */
  'receipt.signed': act(['revocation_act'], { act: text }),
  'selection.frozen': act(['tenant'], { kind: text, count, reason, until: z.iso.datetime().nullable() }),
  'revocation.finished': act(['token', 'connection'], { state: text, tries: count }),
  'revocation.retried': act(['token', 'connection'], { revocation: text }),
  /** Somebody knows that it has ended there; nobody asked the upstream. */
  'revocation.recorded': act(['token', 'connection'], { revocation: text, reason: text }),
  /** All that were not confirmed. */
  'revocations.retried': act(['tenant'], { count }),
  'audit.exported': act([], {}),
  /** What a filter found, as a table or as lines. `filter`: as name=value. */
  'audit.downloaded': act([], { format: text, filter: texts }),
  'webhook.created': act(['webhook'], {}),
  'webhook.changed': act(['webhook'], {
    changed: texts.optional(),
    enabled: z.boolean().optional(),
    resent: text.optional(),
  }),
  'webhook.deleted': act(['webhook'], {}),
  'webhook.tested': act(['webhook'], { message: text, error: text.optional() }),
  /** `client`: ours there, by which it is asked about tokens. */
  'trusted_issuer.added': act(['trusted_issuer'], {
    issuer: text,
    audience: text,
    client: text.nullable(),
    opaque: z.boolean(),
  }),
  'trusted_issuer.changed': act(['trusted_issuer'], { changed: texts }),
  'trusted_issuer.removed': act(['trusted_issuer'], { issuer: text, clients: count }),
  'trusted_client.added': act(['trusted_client'], { issuer: text, client: text, scopes: texts }),
  'trusted_client.changed': act(['trusted_client'], { client: text, scopes: texts }),
  'trusted_client.removed': act(['trusted_client'], { client: text }),
  /** By the first who typed its code; of the instance, as no tenant is chosen yet. */
  'authorization.claimed': act(['authorization'], { client: text }),
  'authorization.released': act(['authorization'], { client: text }),
  'authorization.approved': act(['authorization'], { client: text, via: text, scopes: texts, projects: texts }),
  /** `by`: how: the person here, or the identity provider that they were sent to. */
  'authorization.denied': act(['authorization'], { client: text, via: text, by: text }),
  /** "This was not me": somebody else began it. `from`: where. */
  'authorization.reported': act(['authorization'], { client: text, via: text, from: text.nullable() }),
  'policy.changed': act(['tenant'], { device_flow: text.optional(), client_documents: text.optional() }),
  /** Written by vk.grant_make: the poll or the code that a person's answer stood behind. */
  'grant.created': act(['grant'], { via: text, scopes: texts, projects: texts }),
  /** A program that nobody registered said what it is, for the first time or in another way than before. */
  'client.introduced': act(['client'], { document: text, redirect_uris: count }),
  'client.created': act(['client'], { authentication: text, grant_types: texts, scopes: texts }),
  /** `grants`, `tokens`: how many ended with it, where it took something away. */
  'client.changed': act(['client'], { changed: texts, grants: count.optional(), tokens: count.optional() }),
  'client.removed': act(['client'], { name: text, grants: count, tokens: count, reason }),
  /** Until when those before it count as well; null: none of them does. */
  'client.secret_made': act(['client'], { secret: text, before_until: z.iso.datetime().nullable() }),
  'client.secret_ended': act(['client'], { secret: text }),
  'access.denied': act(['operation'], { ...access, code: text.optional() }),
  'access.read': act(['operation'], access),
  'keys.rotated': act(['tenant', 'instance_key'], { key: text }),
  /** Of the tenant's issuer. */
  'signing.rotated': act(['tenant'], { key: text, signs_from: z.iso.datetime() }),
  'signing.rolled_back': act(['tenant'], { key: text }),
  'keys.retired': act(['instance_key'], { key: text }),
  'secret.accepted': act(['instance'], {}),
} as const satisfies Record<string, ReturnType<typeof act>>

export type AuditAction = keyof typeof catalogue
type Entry<Action extends AuditAction> = (typeof catalogue)[Action]
export type DetailsOf<Action extends AuditAction> = z.output<Entry<Action>['details']>
/** Kind and id of what it was done to; none where the act is about the tenant or the instance as a whole. */
type Target<Kind> = [Kind] extends [never] ? { target?: undefined } : { target: { kind: Kind; id: string } }
/** May be left out where there is nothing to tell. */
type Details<Facts> = Facts extends Record<string, never> ? { details?: undefined } : { details: Facts }

export type AuditEvent<Action extends AuditAction = AuditAction> = Action extends AuditAction
  ? { action: Action; outcome: 'ok' | 'refused' | 'failed' } & Target<Entry<Action>['kinds'][number]> &
      Details<DetailsOf<Action>>
  : never
