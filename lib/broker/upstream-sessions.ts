import { createHash } from 'node:crypto'
import type { Actor } from '../actor.ts'
import type { AuditEvent } from '../audit/catalogue.ts'
import { record } from '../audit/record.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import type { Provider, UpstreamSession } from '../providers/provider.ts'
import { isUnsealError } from '../security/seal.ts'
import { act } from '../store/authority.ts'
import { type ConnectionRow, findConnection, ownConnectionsAt } from '../store/connections.ts'
import { readTenant } from '../store/database.ts'
import { asSystem } from '../store/system.ts'
import { vaultOf } from '../vault/keys.ts'
import { withAccess } from './refresh/access.ts'
import { tokenPlace } from './refresh/refresh.ts'
import { asBrokerError } from './upstream.ts'

/** A session that a person has at an upstream. */
export type UpstreamSessionView = {
  /** Of ours, made of the upstream's own id: that is the upstream's text, and may be anything. */
  handle: string
  /** Whether it is the one of the connection that asks. */
  isCurrent: boolean
  /** The person's own connection here whose session it is; null: of none here, as that of a command on their computer. */
  connection: { id: string; name: string } | null
  client: string | null
  createdAt: Date | null
  lastUsedAt: Date | null
}

/** `more`: how many the upstream lists beside these. */
export type UpstreamSessions = { sessions: UpstreamSessionView[]; more: number }

/** Somebody with more sessions than this looks at the upstream itself. */
const shownMax = 100

const handleOf = (id: string) => createHash('sha256').update(id).digest('hex').slice(0, 16)

type Owned = ConnectionRow & { projects: { project: { name: string } }[] }

/**
 * The sessions that the caller has at the upstream of one of their connections, as that lists them now: newest first, the connection's own
 * at the top.
 * @throws BrokerError not_found, also for somebody else's, whoever asks; no_session; as withAccess
 */
export async function upstreamSessions(ctx: Context, actor: Actor, connectionId: string): Promise<UpstreamSessions> {
  const asked = await ask(ctx, actor, connectionId)
  const { all, unread } = asked
  const sessions = all.map(({ view }) => view)
  const { length } = sessions
  return { sessions: sessions.slice(0, shownMax), more: Math.max(0, length - shownMax) + unread }
}

/**
 * Ends another session of the caller's, and looks whether it is gone. One that a connection of theirs stands on is ended by
 * disconnecting that, which ends what came of it as well.
 * @throws BrokerError as {@link upstreamSessions}; not_found, own_session
 */
export async function endUpstreamSession(
  ctx: Context,
  actor: Actor,
  { connectionId, handle }: { connectionId: string; handle: string },
): Promise<{ upstream: 'done' | 'confirmed' | 'failed' }> {
  const { all, row } = await ask(ctx, actor, connectionId)
  const found = all.find(({ view }) => view.handle === handle)
  if (!found) throw new BrokerError('not_found')
  if (found.view.isCurrent || found.view.connection) throw new BrokerError('own_session')
  const { id } = found
  const event = (state: string): AuditEvent => ({
    action: 'connection.session_ended',
    outcome: state === 'failed' ? 'failed' : 'ok',
    target: { kind: 'connection', id: connectionId },
    details: { session: handle, state },
  })
  // Before it is asked for: killed anywhere, or signed out meanwhile, what was done leaves a trace.
  await act(ctx, actor, 'work', (tx, actor) => record(tx, actor.tenantId, ctx.now(), actor, event('asked')))
  const upstream = await withAccess(ctx, row, async (provider, { accessToken }) => {
    await provider.endSession?.({ accessToken, id })
    return provider.listSessions?.({ accessToken }).then(
      ({ sessions }) => (sessions.some((each) => each.id === id) ? ('failed' as const) : ('confirmed' as const)),
      () => 'done' as const,
    )
  }).catch((error: unknown) => {
    throw asBrokerError(error)
  })
  const state = upstream ?? 'failed'
  await asSystem(ctx, actor.tenantId, 'end of an attempt', (tx) =>
    record(tx, actor.tenantId, ctx.now(), actor, event(state)),
  )
  return { upstream: state }
}

/** What the upstream lists, each with whose it is here. */
async function ask(ctx: Context, actor: Actor, connectionId: string) {
  const { tenantId, userId } = actor
  const row = await act(ctx, actor, 'work', async (tx, actor) => {
    const found = await findConnection(tx, tenantId, connectionId, actor.userId)
    if (!found) throw new BrokerError('not_found')
    return found
  })
  const { said, provider } = await withAccess(ctx, row, async (provider, { accessToken }) => {
    // Told by what is stored, not by what the provider offers by now.
    if (row.flow === null || !provider.listSessions) throw new BrokerError('no_session')
    return { said: await provider.listSessions({ accessToken }), provider }
  }).catch((error: unknown) => {
    throw asBrokerError(error)
  })
  const own = await readTenant(ctx, tenantId, (tx) => ownConnectionsAt(tx, tenantId, userId, row.providerId))
  const owners = await ownersOf(ctx, provider, own)
  const all = said.sessions
    .map((session) => ({ id: session.id, view: viewOf(session, owners.get(session.id), connectionId) }))
    .sort(
      (a, b) =>
        Number(b.view.isCurrent) - Number(a.view.isCurrent) || +(b.view.createdAt ?? 0) - +(a.view.createdAt ?? 0),
    )
  return { all, unread: said.unread, row }
}

/** Which of the connections stands on which session. One whose grant does not open here is of none that can be told. */
async function ownersOf(ctx: Context, provider: Provider, own: Owned[]): Promise<Map<string, Owned>> {
  const owners = new Map<string, Owned>()
  for (const each of own) {
    if (each.refreshToken === null) continue
    const vault = await vaultOf(ctx, each.tenantId)
    const place = tokenPlace(each, 'refresh_token', each.tokenVersion)
    const grant = await vault.open(place, each.refreshToken).catch((error: unknown) => {
      if (isUnsealError(error)) return undefined
      throw error
    })
    const session = grant && provider.sessionOf?.(grant)
    if (session !== undefined) owners.set(session, each)
  }
  return owners
}

const viewOf = (
  { id, client, createdAt, lastUsedAt }: UpstreamSession,
  owner: Owned | undefined,
  connectionId: string,
): UpstreamSessionView => ({
  handle: handleOf(id),
  isCurrent: owner?.id === connectionId,
  connection: owner ? { id: owner.id, name: owner.projects[0]?.project.name ?? owner.accountName } : null,
  client: client ?? null,
  createdAt: createdAt ?? null,
  lastUsedAt: lastUsedAt ?? null,
})
