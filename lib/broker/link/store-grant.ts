import { may, type Person, type Role } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { configured } from '../../providers/index.ts'
import type { LinkedGrant, UpstreamProject } from '../../providers/provider.ts'
import { newId } from '../../security/ids.ts'
import { fingerprint } from '../../security/secrets.ts'
import { type AttemptRow, endAttempt, takeKeptGrant } from '../../store/attempts.ts'
import { actAsPerson, type Standing } from '../../store/authority.ts'
import { move, usable } from '../../store/connection-states.ts'
import {
  type ConnectionRow,
  daysFromNow,
  findConnection,
  findConnectionTo,
  grantTimes,
  insertConnection,
  joinProject,
  leaveProjects,
  linksOf,
  linksTo,
  lockConnection,
  lockConnections,
} from '../../store/connections.ts'
import { isDuplicate, type Tx } from '../../store/database.ts'
import { frozenBy, holdGround } from '../../store/freezes.ts'
import { completeLinkRequests } from '../../store/link-requests.ts'
import { isOffline, isSignedOut, sessionHash } from '../../store/logouts.ts'
import {
  findProjectUpstream,
  insertProject,
  isAliasTaken,
  type ProjectRow,
  updateProjectNames,
  type Viewer,
} from '../../store/projects.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import { insertRevocations } from '../../store/revocations.ts'
import { effectivePolicy, refuseLink } from '../../tenancy/policy.ts'
import type { Vault } from '../../vault/keys.ts'
import { grantPlace } from '../../vault/places.ts'
import { frozenError } from '../freezes.ts'
import { keepAliveFor, tokenPlace } from '../refresh/refresh.ts'

type Input = {
  /** `id`: null where a token was pasted, which needs no consent. */
  attempt: Pick<AttemptRow, 'tenantId' | 'userId' | 'providerId' | 'connectionId' | 'status' | 'scopes' | 'flow'> & {
    id: string | null
  }
  grant: LinkedGrant
  person: Person
  alias: string | null
  habits: Habits
}

/** What a relink has to know of an upstream. */
export type Habits = {
  /** Ending a grant there ends those of the same account that replaced it as well. */
  endsAccount: boolean
  /** A connection is one account's. */
  ofOneAccount: boolean
}

export type Kept =
  | { kind: 'linked'; projectId: string; connectionId: string; asked: Awaited<ReturnType<typeof completeLinkRequests>> }
  | { kind: 'refused'; error: BrokerError }

/**
 * Stores what a consent brought, in one transaction with its event: the project, the connection (in place where this
 * member has one to the project, K-15, K-23) and the sealed tokens. `refused` leaves everything as it was.
 */
export async function storeGrant(ctx: Context, vault: Vault, input: Input): Promise<Kept> {
  const { tenantId } = input.attempt
  const once = () =>
    actAsPerson(ctx, input.person, tenantId, {}, (tx, member) => {
      // Role and membership at this moment, not at the start.
      if (!mayLink(member)) throw new BrokerError('forbidden')
      return keep(ctx, vault, tx, input, member.role)
    })
  const kept = await once().catch((error: unknown) => {
    // Two links of one project at once: the second finds the first one's rows.
    if (isDuplicate(error)) return once()
    throw error
  })
  for (const end of kept.kind === 'linked' ? kept.asked : []) ctx.metrics.linkRequests.inc(end)
  return kept
}

/** Whether a member may link at this moment. */
export const mayLink = (member: Standing | undefined): member is Standing =>
  member?.status === 'active' && may(member, 'work')

async function keep(ctx: Context, vault: Vault, tx: Tx, input: Input, role: Role): Promise<Kept> {
  const { attempt, grant, person, alias, habits } = input
  const { tenantId, userId, providerId } = attempt
  const viewer = { userId, seesAll: may({ role }, 'oversee') }
  const now = ctx.now()
  const old = attempt.connectionId ? await findConnection(tx, tenantId, attempt.connectionId) : null
  // Made again, a connection is for what it was for, whatever else its new grant reaches.
  const mine = (old?.projects ?? []).map(({ project }) => project)
  const isFor = ({ externalId }: UpstreamProject) => mine.some((one) => one.externalId === externalId)
  const wanted = attempt.flow !== null && old ? grant.projects.filter(isFor) : grant.projects
  const [reached = attempt.flow !== null ? grant.projects[0] : undefined, ...others] = wanted
  if (!reached) return refused('upstream_protocol', 'The upstream named no project.')

  // Before the connection is locked, as whoever ends connections does.
  const offline = isOffline(grant.scopes ?? [])
  if (grant.vouched && (await isSignedOut(tx, { tenantId, registration: providerId }, grant.vouched, { offline })))
    return { kind: 'refused', error: new BrokerError('upstream_signed_out') }
  const known = await findProjectUpstream(tx, tenantId, providerId, reached.externalId)
  if (old) {
    const expected = mine.find(({ externalId }) => !reaches(grant, externalId))
    if (expected && attempt.flow !== null)
      return refused(
        'another_project',
        `${grant.account.name} does not reach ${expected.name} (${expected.externalId}), which this connection is for.`,
      )
    if (expected)
      return refused(
        'another_project',
        `You chose ${reached.name} (${reached.externalId}); this connection is for ${expected.name} (${expected.externalId}).`,
      )
  }
  // Now that the project is known; the rest was asked when it started, and may have changed since.
  refuseLink(await effectivePolicy(tx, { tenantId, providerId, projectId: known?.id, userId }), role)
  const alsoKnown = await knownAmong(tx, tenantId, providerId, others)
  for (const { id: projectId } of alsoKnown)
    refuseLink(await effectivePolicy(tx, { tenantId, providerId, projectId, userId }), role)
  if (alias && (await isAliasTaken(tx, tenantId, viewer, alias, known?.id)))
    return refused('alias_taken', `"${alias}" is already the alias of another project.`)

  const chosen = [...(known ? [known] : []), ...alsoKnown]
  const taken = old ? null : await takenByOthers(tx, input, chosen)
  if (taken) return taken

  const existing = known && (await findConnectionTo(tx, tenantId, userId, known.id))
  const isOthers = existing && existing.status !== 'revoked' && existing.accountId !== grant.account.id
  if (isOthers && habits.ofOneAccount && attempt.status !== 'failed')
    return refused(
      'different_account',
      `You approved as ${grant.account.name}; ${known.name} is linked as ${existing.accountName}.`,
    )
  // A step-up asked for everything that is held, and adds to it or does nothing.
  const lost = attempt.scopes.length > 0 && existing ? missingOf(existing.scopesGranted, grant.scopes) : []
  if (lost.length > 0)
    return refused('upstream_protocol', 'The upstream granted less than the connection has. Nothing was changed.')
  const locked = existing ? await lockConnection(tx, tenantId, existing.id) : null
  // A consent that works is more than a token: it is not given up by pasting one.
  if (grant.pasted && locked?.grantedBy === 'consent' && isUsable(locked))
    return refused('already_linked', `${reached.name} is linked as ${locked.accountName}.`)
  // After the connection, in the order in which an issue locks them; and only then: a freeze that commits first is seen.
  // A way whose answers name no region says nothing about it.
  const region = reached.region ?? (attempt.flow === null ? null : (known?.region ?? null))
  const renames = known !== null && (known.name !== reached.name || known.region !== region)
  const projectIds = chosen.map(({ id }) => id)
  await holdGround(tx, tenantId, { projectIds, renames, providerId })
  // Removed meanwhile: what commits later would never be ended.
  const provider = await findProvider(tx, tenantId, providerId)
  if (!provider) throw new BrokerError('not_found')
  if (grant.pasted) refusePasting(provider)
  const facts = await frozenBy(tx, tenantId, {
    userId,
    providerId,
    connectionId: locked?.id,
    projectIds,
  })
  if (facts.length > 0) return { kind: 'refused', error: frozenError(facts) }
  // A kept grant is taken with what it becomes.
  const isKept = attempt.status === 'failed' || attempt.status === 'choosing'
  if (attempt.id && isKept && !(await takeKeptGrant(tx, tenantId, attempt.id, userId, now)))
    throw new BrokerError('not_found')

  const project = known ?? (await insertNamed(tx, viewer, { tenantId, providerId, reached, alias, now }))
  if (known && renames) await updateProjectNames(tx, tenantId, known.id, { name: reached.name, region })
  const id = locked?.id ?? newId('connection')
  const tokens = await sealTokens(tx, vault, { id, userId }, (locked?.tokenVersion ?? 0) + 1, grant)
  const account = {
    accountId: grant.account.id,
    accountName: grant.account.name,
    scopesGranted: grant.scopes ?? [],
    upstreamSession: sessionHash(grant.vouched?.session),
    ...(await pastedFacts(ctx, tx, grant, locked)),
    flow: attempt.flow,
  }
  if (locked) {
    if (!habits.endsAccount || isOthers) await revokeReplaced(vault, tx, locked, now)
    await move(tx, { tenantId, id }, 'relink', now, { ...account, ...tokens, linkedAt: now })
  } else {
    await insertConnection(tx, {
      tenantId,
      id,
      userId,
      providerId,
      ...account,
      ...tokens,
      status: 'linked',
      // Nothing prolongs a pasted token.
      grantFixed: grant.pasted !== undefined && tokens.grantExpiresAt !== null,
      statusSince: now,
      linkedAt: now,
    })
  }
  const all = [
    { project, role: reached.role },
    ...(await alsoReached(tx, viewer, { tenantId, providerId, others, now })),
  ]
  for (const { project: each, role } of all)
    await joinProject(tx, {
      tenantId,
      connectionId: id,
      projectId: each.id,
      userId,
      role: role ?? null,
      createdAt: now,
    })
  // A second alias for a known project is a rename, which is an act of its own (K-23).
  const detail =
    known && alias && known.alias !== alias
      ? `This project already has the alias "${known.alias}". You can change it in the project settings.`
      : known && !existing && (await isAliasTaken(tx, tenantId, { userId, seesAll: false }, known.alias, known.id))
        ? `"${known.alias}" stays the alias of the project that you linked before. Give one of the two another alias.`
        : null
  if (attempt.id) await endAttempt(tx, tenantId, attempt.id, { status: 'done', detail, resultProjectId: project.id })
  const asked = attempt.id
    ? await completeLinkRequests(
        tx,
        { tenantId, userId, attemptId: attempt.id },
        { projectIds: all.map((one) => one.project.id), granted: grant.scopes ?? [] },
      )
    : []
  await record(tx, tenantId, now, person, {
    action: 'link.completed',
    outcome: 'ok',
    target: { kind: 'connection', id },
    details: {
      ...(attempt.id && { attempt: attempt.id }),
      project: project.id,
      provider: providerId,
      relinked: locked !== null,
      account: grant.account.id,
      by: account.grantedBy,
      ...(locked && locked.grantedBy !== account.grantedBy && { before: locked.grantedBy }),
    },
  })
  return { kind: 'linked', projectId: project.id, connectionId: id, asked }
}

const missingOf = (held: string[], granted: string[] | undefined) =>
  granted ? held.filter((name) => !granted.includes(name)) : []

/** Where no admin has allowed that tokens are pasted, or no longer. @throws BrokerError paste_not_allowed, provider_misconfigured */
export function refusePasting(row: ProviderRow): void {
  const made = configured(row)
  if (!made) throw new BrokerError('provider_misconfigured')
  if (!made.kind.pasted?.allowed(made.settings)) throw new BrokerError('paste_not_allowed')
}

const isUsable = ({ status }: ConnectionRow) => usable.some((one) => one === status)

/** What is kept beside a grant of how it came to be. A schedule of rotations is its owner's setting, which another token goes on with. */
async function pastedFacts(
  ctx: Context,
  tx: Tx,
  { pasted }: LinkedGrant,
  before: Pick<ConnectionRow, 'rotateDays' | 'warningOff'> | null,
) {
  if (!pasted)
    return {
      grantedBy: 'consent',
      held: null,
      pastedMark: null,
      rotateDays: null,
      rotateAt: null,
      warningOff: false,
    }
  const rotateDays = before?.rotateDays ?? null
  return {
    grantedBy: 'pasted',
    held: pasted.held ?? null,
    pastedMark: fingerprint(ctx.secrets.fingerprint, pasted.value.reveal()),
    rotateDays,
    rotateAt: rotateDays === null ? null : await daysFromNow(tx, rotateDays),
    warningOff: before?.warningOff ?? false,
  }
}

type Refusal = 'already_linked' | 'another_project' | 'different_account' | 'alias_taken' | 'upstream_protocol'
const refused = (code: Refusal, detail: string): Kept => ({
  kind: 'refused',
  error: new BrokerError(code, { detail }),
})

async function sealTokens(
  tx: Tx,
  vault: Vault,
  connection: Pick<ConnectionRow, 'id' | 'userId'>,
  version: number,
  grant: LinkedGrant,
) {
  if (!grant.refreshToken) throw new BrokerError('no_refresh_token')
  return {
    refreshToken: await vault.seal(tokenPlace(connection, 'refresh_token', version), grant.refreshToken),
    accessToken: await vault.seal(tokenPlace(connection, 'access_token', version), grant.accessToken),
    ...(await grantTimes(tx, {
      lifeSeconds: grant.expiresInSeconds,
      grantSeconds: grant.grantExpiresInSeconds ?? null,
      keepAliveSeconds: keepAliveFor(grant),
    })),
  }
}

/** The grant that a relink replaces is revoked upstream, after the new one is stored (K-37, LK-06). */
async function revokeReplaced(vault: Vault, tx: Tx, old: ConnectionRow, now: Date): Promise<void> {
  // A token that was made elsewhere is not ours to end: the only copy here is gone with what replaces it.
  if (!old.refreshToken || old.grantedBy === 'pasted') return
  const id = newId('revocation')
  const opened = await vault
    .open(tokenPlace(old, 'refresh_token', old.tokenVersion), old.refreshToken)
    .catch(() => undefined)
  if (!opened) return
  const handle = await vault.seal(grantPlace({ id, userId: old.userId }), opened)
  await insertRevocations(tx, [
    {
      tenantId: old.tenantId,
      id,
      kind: 'grant',
      providerId: old.providerId,
      connectionId: old.id,
      handle,
      nextTryAt: now,
      createdAt: now,
    },
  ])
}

/** Those of a grant's projects that somebody has linked here before, by id. */
async function knownAmong(
  tx: Tx,
  tenantId: string,
  providerId: string,
  reached: UpstreamProject[],
): Promise<ProjectRow[]> {
  const found = []
  for (const { externalId } of reached) found.push(await findProjectUpstream(tx, tenantId, providerId, externalId))
  return found.filter((one) => one !== null).sort((a, b) => (a.id < b.id ? -1 : 1))
}

/**
 * What a new link may not take from a connection that stands: a project that it was to be chosen for, or one of several that share
 * a connection which the new grant would not serve (docs/decisions/0109). What is over is let go of. Locks the connections in
 * id order, and judges them only then.
 */
async function takenByOthers(tx: Tx, { attempt, grant }: Input, chosen: ProjectRow[]): Promise<Kept | null> {
  const { tenantId, userId, flow } = attempt
  const ids = chosen.map(({ id }) => id)
  const [first] = ids
  const before = await linksTo(tx, tenantId, userId, ids)
  const connectionIds = [...new Set(before.map(({ connectionId }) => connectionId))]
  if (!first || connectionIds.length === 0) return null
  await lockConnections(tx, tenantId, connectionIds)
  const links = await linksOf(tx, tenantId, connectionIds)
  const standing = links.find(({ connection, projectId, project }) =>
    connection.status === 'revoked'
      ? false
      : flow === null
        ? !reaches(grant, project.externalId)
        : ids.includes(projectId),
  )
  if (standing)
    return refused(
      'already_linked',
      flow === null
        ? `Its connection is for ${standing.project.name} as well, which this approval is not for.`
        : `${standing.project.name} is linked already.`,
    )
  const reused = links.find(({ projectId }) => projectId === first)?.connectionId
  const over = links.filter(
    ({ connection, connectionId, projectId, project }) =>
      connection.status === 'revoked' &&
      (connectionId === reused
        ? !ids.includes(projectId) && !reaches(grant, project.externalId)
        : ids.includes(projectId)),
  )
  for (const { connectionId, projectId } of over) await leaveProjects(tx, tenantId, connectionId, [projectId])
  return null
}

const reaches = ({ projects }: LinkedGrant, externalId: string) => projects.some((one) => one.externalId === externalId)

/** The projects beside the first that a grant reaches, made where they are new here. */
async function alsoReached(
  tx: Tx,
  viewer: Viewer,
  { others, ...of }: { tenantId: string; providerId: string; others: UpstreamProject[]; now: Date },
): Promise<{ project: ProjectRow; role: string | undefined }[]> {
  const found = []
  for (const reached of others) {
    const known = await findProjectUpstream(tx, of.tenantId, of.providerId, reached.externalId)
    found.push({
      project: known ?? (await insertNamed(tx, viewer, { ...of, reached, alias: null })),
      role: reached.role,
    })
  }
  return found
}

type NewProject = { tenantId: string; providerId: string; reached: UpstreamProject; alias: string | null; now: Date }

async function insertNamed(
  tx: Tx,
  viewer: Viewer,
  { tenantId, providerId, reached, alias, now }: NewProject,
): Promise<ProjectRow> {
  const row = {
    tenantId,
    id: newId('project'),
    providerId,
    externalId: reached.externalId,
    name: reached.name,
    region: reached.region ?? null,
    createdAt: now,
  }
  return insertProject(tx, { ...row, alias: alias ?? (await freeAlias(tx, tenantId, viewer, reached.name)) })
}

/** A name as an alias: lower case, hyphens, a number where it is taken. */
async function freeAlias(tx: Tx, tenantId: string, viewer: Viewer, name: string): Promise<string> {
  const plain =
    name
      .normalize('NFKD')
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '-')
      .replace(/^-+|-+$/g, '')
      .slice(0, 40) || 'project'
  for (let number = 1; ; number += 1) {
    const alias = number === 1 ? plain : `${plain}-${number}`
    if (!(await isAliasTaken(tx, tenantId, viewer, alias))) return alias
  }
}
