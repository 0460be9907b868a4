import { type Actor, type CookieCredential, type Person, requirePermission } from '../../actor.ts'
import { record } from '../../audit/record.ts'
import type { Context } from '../../context.ts'
import { BrokerError, type ErrorCode, errorCodes, isBrokerError } from '../../errors.ts'
import { configured } from '../../providers/index.ts'
import { isUpstreamError, type LinkedGrant, type Provider } from '../../providers/provider.ts'
import { retries } from '../../providers/retry.ts'
import { hash, type Secret } from '../../security/secrets.ts'
import {
  type AttemptRow,
  consumeAttempt,
  endAttempt,
  findAttempt,
  findKeptGrant,
  keepToChoose,
} from '../../store/attempts.ts'
import { actAsPerson } from '../../store/authority.ts'
import { connectionsByProject } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { frozenBy } from '../../store/freezes.ts'
import { endRequestOfAttempt } from '../../store/link-requests.ts'
import { attemptByState } from '../../store/lookups.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import { asSystem } from '../../store/system.ts'
import { type Vault, vaultOf } from '../../vault/keys.ts'
import { frozenError } from '../freezes.ts'
import { persistently } from '../refresh/persistently.ts'
import { asBrokerError, openProvider } from '../upstream.ts'
import { settleAll } from '../upstream-revocation.ts'
import { endUnlinked } from './abandoned.ts'
import { askedFor, byFlow, isOwn, parseSecrets, secretsPlace, subjectOf } from './attempt.ts'
import { grantFromJson, grantToJson } from './grant-json.ts'
import { type Habits, mayLink, storeGrant } from './store-grant.ts'

export type Callback = {
  /** Last segment of the redirect URI that was called. */
  key: string
  parameters: URLSearchParams
  browser: string | undefined
  session: { id: string; userId: string } | undefined
  origin: Pick<Actor, 'address' | 'agent' | 'requestId'>
}

export type LinkResult = { tenantId: string; attemptId: string; popup: boolean } & (
  | { kind: 'linked'; projectId: string; connectionId: string }
  /** With projects_not_chosen: not yet ({@link chooseProjects}). */
  | { kind: 'failed'; error: BrokerError }
)

/**
 * The callback of every link flow. Consumes the attempt before anything is sent anywhere; whatever happens afterwards
 * ends as the attempt's recorded outcome.
 * @throws BrokerError attempt_unknown, attempt_used, attempt_expired, unauthenticated — nothing was consumed
 */
export async function completeLink(ctx: Context, callback: Callback): Promise<LinkResult> {
  const [state, ...others] = callback.parameters.getAll('state')
  if (!state || others.length > 0 || !callback.browser) throw new BrokerError('attempt_unknown')
  const stateHash = hash(state)
  const place = await attemptByState(ctx, stateHash)
  if (!place) throw new BrokerError('attempt_unknown')
  const { session } = callback
  if (!session) throw new BrokerError('unauthenticated')
  const { tenantId } = place
  const match = { stateHash, browserHash: hash(callback.browser), sessionId: session.id, userId: session.userId }

  const credential = { kind: 'cookie' as const, session: session.id }
  const person = { ...callback.origin, userId: session.userId, credential }
  const taken = await actAsPerson(ctx, person, tenantId, {}, async (tx, member) => {
    const row = await consumeAttempt(tx, tenantId, match, ctx.now())
    if (row) {
      const facts = await frozenBy(tx, tenantId, subjectOf(row))
      return { row, provider: await findProvider(tx, tenantId, row.providerId), member, facts }
    }
    const seen = await findAttempt(tx, tenantId, place.id)
    const own = seen && isOwn(seen, person, callback.browser ?? '')
    return {
      refused: !own ? 'attempt_unknown' : seen.status === 'pending' ? 'attempt_expired' : 'attempt_used',
    } as const
  })
  if ('refused' in taken) throw new BrokerError(taken.refused ?? 'attempt_unknown')

  const { row: attempt, provider, member, facts } = taken
  const came = (outcome: 'linked' | ErrorCode) =>
    ctx.metrics.links.inc({ kind: provider?.kind ?? 'unknown', purpose: attempt.purpose, outcome })
  try {
    if (!provider || !attempt.secrets) throw new BrokerError('attempt_unknown')
    // Asked again where the grant is kept: both may change while the person is away.
    if (!mayLink(member)) throw new BrokerError('forbidden')
    if (facts.length > 0) throw frozenError(facts)
    // The code goes only to the server that the attempt was made for (mix-up, L-07, L-08).
    if (callback.key !== attempt.callbackKey || provider.issuer !== attempt.issuer)
      throw new BrokerError('issuer_mismatch')
    if (hasRepeats(callback.parameters))
      throw new BrokerError('upstream_protocol', { detail: 'The answer contains a parameter twice.' })
    const vault = await vaultOf(ctx, tenantId)
    const secrets = parseSecrets(await vault.open(secretsPlace(attempt), attempt.secrets))
    const upstream = await openProvider(ctx, vault, provider)
    const { parameters } = callback
    const { redirectUri, scopes, flow } = attempt
    const grant = await upstream
      .exchangeCode({ parameters, ...secrets, redirectUri, ...askedFor(scopes), ...byFlow(flow) })
      .catch(async (error: unknown) => {
        if (isUpstreamError(error) && error.unkept)
          await endDurably(ctx, vault, attempt, { refreshToken: error.unkept })
        throw interrupted(error)
      })
    if (flow !== null && attempt.connectionId === null && grant.projects.length > 1) {
      const sealed = await vault.seal(secretsPlace(attempt), grantToJson(grant))
      await asSystem(ctx, tenantId, 'end of an attempt', (tx) => keepToChoose(tx, tenantId, attempt.id, sealed)).catch(
        async (error: unknown) => {
          await endDurably(ctx, vault, attempt, grant)
          throw error
        },
      )
      const error = new BrokerError('projects_not_chosen')
      came(error.code)
      return { kind: 'failed', tenantId, attemptId: attempt.id, popup: attempt.popup, error }
    }
    const habits = habitsOf(provider)
    const input = { attempt, grant, person, alias: attempt.alias, habits }
    const letGo = async () => {
      if (flow !== null) await endDurably(ctx, vault, attempt, grant)
      else if (!habits.endsAccount) endUnkept(ctx, upstream, grant)
    }
    const kept = await storeGrant(ctx, vault, input).catch(async (error: unknown) => {
      await letGo()
      throw error
    })
    came(kept.kind === 'refused' ? kept.error.code : 'linked')
    const isFinal = flow !== null || (kept.kind === 'refused' && isBrokerError(kept.error, ...final))
    if (kept.kind === 'refused' && isFinal) {
      await letGo()
      return failLink(ctx, attempt, person, kept.error)
    }
    if (kept.kind === 'refused')
      return failLink(ctx, attempt, person, kept.error, await vault.seal(secretsPlace(attempt), grantToJson(grant)))
    const { projectId, connectionId } = kept
    return { kind: 'linked', tenantId, attemptId: attempt.id, popup: attempt.popup, projectId, connectionId }
  } catch (error) {
    const known = asBrokerError(error)
    if (!isBrokerError(known)) ctx.log.error({ err: error, attempt: attempt.id, alarm: true }, 'linking failed')
    came(isBrokerError(known) ? known.code : 'internal')
    return failLink(ctx, attempt, person, isBrokerError(known) ? known : new BrokerError('internal', { cause: error }))
  }
}

/** What nobody can decide otherwise about. */
const final = ['frozen', 'upstream_signed_out', 'upstream_protocol', 'already_linked'] as const

/** A grant that reaches its person's other projects as well does not stay for what it was not linked with (K-35). */
async function endDurably(
  ctx: Context,
  vault: Vault,
  attempt: AttemptRow,
  grant: { refreshToken: Secret | undefined; account?: LinkedGrant['account'] },
): Promise<void> {
  const { tenantId } = attempt
  const work = await persistently(ctx, () =>
    asSystem(ctx, tenantId, 'end of an attempt', (tx) => endUnlinked(ctx, vault, tx, attempt, grant)),
  )
  ctx.background('end an unlinked grant', () => settleAll(ctx, tenantId, work))
}

/**
 * The code may be used up, so trying once more means linking anew. Whether anybody was reached makes no difference: it would tell
 * which hosts and ports are there (F-10).
 */
function interrupted(error: unknown): unknown {
  if (!isUpstreamError(error) || (error.failure !== 'ambiguous' && error.failure !== 'unreached')) return error
  const { retryAfterSeconds } = error
  const { code } = retries.exchange
  return new BrokerError(code ?? 'internal', { cause: error, ...(retryAfterSeconds && { retryAfterSeconds }) })
}

export function habitsOf(provider: ProviderRow): Habits {
  const made = configured(provider)
  return {
    endsAccount: made?.kind.endsAccount?.(made.settings) ?? false,
    ofOneAccount: made?.kind.ofOneAccount ?? false,
  }
}

/** A grant that came back and may not be kept is ended upstream where that can be done: nobody will ever hold it. */
function endUnkept(ctx: Context, upstream: Provider, { refreshToken }: LinkedGrant): void {
  if (refreshToken) ctx.background('end an unkept grant', () => upstream.revoke({ kind: 'grant', refreshToken }))
}

/** Records why an attempt ended. `kept`: the sealed grant, when the person may still decide what to do with it. */
async function failLink(
  ctx: Context,
  attempt: AttemptRow,
  person: Person,
  error: BrokerError,
  kept: string | null = null,
): Promise<LinkResult> {
  const detail = error.detail ?? errorCodes[error.code].title
  const asked = await asSystem(ctx, attempt.tenantId, 'end of an attempt', async (tx) => {
    await endAttempt(tx, attempt.tenantId, attempt.id, { status: 'failed', outcome: error.code, detail, secrets: kept })
    const target = { kind: 'provider', id: attempt.providerId } as const
    const outcome = errorCodes[error.code].status >= 500 ? 'failed' : 'refused'
    await record(tx, attempt.tenantId, ctx.now(), person, {
      action: 'link.failed',
      outcome,
      target,
      details: { attempt: attempt.id, code: error.code },
    })
    // The answer to the program is no, wherever it was given. After another failure its person can try again.
    return error.code === 'link_denied' ? endRequestOfAttempt(tx, attempt.tenantId, attempt.id, 'declined') : []
  })
  for (const cause of asked) ctx.metrics.linkRequests.inc({ cause, outcome: 'declined' })
  return { kind: 'failed', tenantId: attempt.tenantId, attemptId: attempt.id, popup: attempt.popup, error }
}

/**
 * Links what came back from a reconnect that reached another project, or under an alias that was taken, without a
 * second consent. As with the callback, only the session and the browser that began it can: signing out gives it up.
 * @throws BrokerError not_found when nothing is kept any more, attempt_unknown from elsewhere, alias_taken, frozen
 */
export async function adoptLink(
  ctx: Context,
  actor: Actor<CookieCredential>,
  { attemptId, alias, browser }: { attemptId: string; alias?: string | undefined; browser: string },
): Promise<{ projectId: string }> {
  requirePermission(actor, 'work')
  const vault = await vaultOf(ctx, actor.tenantId)
  const [attempt, provider] = await readTenant(ctx, actor.tenantId, async (tx) => {
    const attempt = await findKeptGrant(tx, actor.tenantId, attemptId, actor.userId, ctx.now())
    return [attempt, attempt && (await findProvider(tx, actor.tenantId, attempt.providerId))]
  })
  if (!attempt?.secrets || attempt.flow !== null || !provider) throw new BrokerError('not_found')
  if (!isOwn(attempt, actor, browser)) throw new BrokerError('attempt_unknown')
  const grant = grantFromJson(await vault.open(secretsPlace(attempt), attempt.secrets))
  const kept = await storeGrant(ctx, vault, {
    attempt: { ...attempt, connectionId: null },
    grant,
    person: actor,
    alias: alias ?? null,
    habits: habitsOf(provider),
  })
  if (kept.kind === 'refused') throw kept.error
  return { projectId: kept.projectId }
}

const hasRepeats = (parameters: URLSearchParams) => new Set(parameters.keys()).size !== [...parameters.keys()].length

type Choosing = { attemptId: string; browser: string }

/** A project that a grant reaches, as its person chooses among them. `linkedBy`: their connection, which has it already. */
export type Reachable = { externalId: string; name: string; role: string | null; linkedBy: string | null }

/**
 * The projects among which a person chooses what their grant is for.
 * @throws BrokerError not_found where nothing is to be chosen any more, attempt_unknown from elsewhere
 */
export async function readChoices(
  ctx: Context,
  actor: Actor<CookieCredential>,
  input: Choosing,
): Promise<{ account: string; projects: Reachable[] }> {
  const { attempt, grant } = await choosing(ctx, actor, input)
  const linked = await readTenant(ctx, actor.tenantId, (tx) =>
    connectionsByProject(tx, actor.tenantId, { userId: actor.userId, providerId: attempt.providerId }),
  )
  return {
    account: grant.account.name,
    projects: grant.projects.map(({ externalId, name, role }) => ({
      externalId,
      name,
      role: role ?? null,
      linkedBy: linked.get(externalId) ?? null,
    })),
  }
}

/** What a person has kept to choose about, in the browser that began it. */
async function choosing(ctx: Context, actor: Actor<CookieCredential>, { attemptId, browser }: Choosing) {
  const vault = await vaultOf(ctx, actor.tenantId)
  const attempt = await readTenant(ctx, actor.tenantId, (tx) =>
    findKeptGrant(tx, actor.tenantId, attemptId, actor.userId, ctx.now()),
  )
  if (!attempt?.secrets || attempt.status !== 'choosing') throw new BrokerError('not_found')
  if (!isOwn(attempt, actor, browser)) throw new BrokerError('attempt_unknown')
  return { vault, attempt, grant: grantFromJson(await vault.open(secretsPlace(attempt), attempt.secrets)) }
}

/**
 * Links the projects that a person chose among those that their grant reaches (ASK-08): one connection for all of them.
 * @throws BrokerError as {@link readChoices}; bad_request, projects_not_chosen, already_linked, over_policy, frozen
 */
export async function chooseProjects(
  ctx: Context,
  actor: Actor<CookieCredential>,
  { projects: chosen, ...input }: Choosing & { projects: string[] },
): Promise<{ projectId: string; connectionId: string }> {
  requirePermission(actor, 'work')
  const { vault, attempt, grant } = await choosing(ctx, actor, input)
  const projects = grant.projects.filter(({ externalId }) => chosen.includes(externalId))
  if (projects.length === 0) throw new BrokerError('projects_not_chosen')
  if (projects.length < new Set(chosen).size)
    throw new BrokerError('bad_request', { fields: { projects: 'The sign-in does not reach all of them.' } })
  const kept = await storeGrant(ctx, vault, {
    attempt,
    grant: { ...grant, projects },
    person: actor,
    alias: null,
    habits: { endsAccount: false, ofOneAccount: false },
  })
  if (kept.kind === 'refused') throw kept.error
  return kept
}
