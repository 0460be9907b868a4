import { z } from 'zod'
import { hash, Secret } from '../../security/secrets.ts'
import {
  type IssuedUpstream,
  type IssueRequest,
  isUpstreamError,
  mayHaveActed,
  type ProviderDeps,
  type Refusal,
  type RevocationOutcome,
  type Standing,
  UpstreamError,
} from '../provider.ts'
import { KeboolaRights } from './rights.ts'
import { onlyReads } from './roles.ts'
import type { Sessions } from './session.ts'
import { accessMark, isSessionAccess } from './session-credential.ts'
import { clockToleranceSeconds, lifeToleranceSeconds, parseDate, type Storage } from './storage.ts'

type Input = { accessToken: Secret; request: IssueRequest<KeboolaRights> }
type Issued = IssuedUpstream<KeboolaRights>

const Made = z.object({
  accessToken: z.string().min(1),
  expiresAt: z.unknown().optional(),
  refreshToken: z.unknown().optional(),
})

/** It has no id upstream: its session, and what tells it from others of that. */
const nameOf = (session: string | undefined, value: string) =>
  `${mark}${session ?? ''} ${Buffer.from(hash(value)).toString('hex').slice(0, 16)}`
const mark = 'child '
/** Whether an issued token is a child, by its name; by what ends it, {@link isSessionAccess} tells. */
export const isChild = (upstreamId: string): boolean => upstreamId.startsWith(mark)

/** No more than this is a child's: it cannot be ended alone, so it lives no longer than an access token of its session. */
export const childSecondsMax = 3_600

/**
 * Smaller tokens that a session makes of itself (upstreams.md 3.4, docs/decisions/0111): for one project, perhaps reading alone, about
 * the same person. They cannot be renewed, and end by themselves or with their session.
 */
export function sessionChildren(
  { ask, introspect }: Pick<Sessions, 'ask' | 'introspect'>,
  { verify }: Storage,
  { now }: Pick<ProviderDeps, 'now'>,
) {
  /** @throws UpstreamError; whatever stands against it is told before anything is asked for */
  async function issue({ accessToken, request }: Input): Promise<Issued> {
    const { project, rights, lifetimeSeconds } = request
    if (!isSessionAccess(accessToken)) throw rejected('no_session')
    // Nothing was asked for yet, so whatever keeps this answer away leaves nothing behind.
    const parent = await introspect(accessToken.reveal()).catch((error: unknown) => {
      if (!isUpstreamError(error) || !mayHaveActed(error)) throw error
      throw new UpstreamError('unreached', error.message, { ...error, cause: error })
    })
    const own = parent.projects.find(({ id }) => id === project)
    if (!own) throw rejected('not_reached')
    const readOnly = !rights.write_project
    if (!readOnly && onlyReads(own.role)) throw rejected('role')
    let at: Date | undefined
    const made = await ask('child', Made, {
      method: 'POST',
      path: '/v1/auth/pat/exchange',
      as: accessToken.reveal(),
      body: { expiresIn: lifetimeSeconds, scope: { projects: [own.spelled], readOnly } },
      seen: (headers) => {
        at = parseDate(headers.get('date') ?? '')
      },
    }).catch((error: unknown) => {
      throw isUpstreamError(error) && error.failure === 'not_offered' ? rejected('not_offered', error) : error
    })
    return judged(made, { parent, accessToken, request, began: beganAt(at) })
  }

  /** Clocks differ by minutes (H-07): its life is counted on the stack's own, unless that is too far off to be believed. */
  function beganAt(said: Date | undefined): Date {
    const ours = now()
    return said && Math.abs(+said - +ours) <= clockToleranceSeconds * 1000 ? said : ours
  }

  /** Judges a child by what it says of itself: whether it is no more than what was asked. */
  async function judged(
    made: z.infer<typeof Made>,
    { parent, accessToken, request, began }: Input & { parent: Introspected; began: Date },
  ): Promise<Issued> {
    const { project, rights, lifetimeSeconds } = request
    const value = new Secret(made.accessToken)
    const lifeOf = (end: unknown) => {
      const moment = endOf(end)
      return moment && (+moment - +began) / 1000
    }
    const life = lifeOf(made.expiresAt)
    const expiresAt = life === undefined ? undefined : new Date(+now() + Math.max(0, life) * 1000)
    const token = { value, upstreamId: nameOf(parent.sessionId, made.accessToken), handle: value }
    const refused = (kind: 'beyond' | 'unsound', ...exceeded: string[]): Issued => ({
      kind,
      token: { ...token, expiresAt },
      exceeded,
    })
    if (!made.accessToken.startsWith(accessMark)) return refused('unsound', 'no access token of a session')
    if (made.accessToken === accessToken.reveal()) return refused('beyond', 'the session itself')
    const as = { bearer: value, project }
    const looked = await Promise.all([introspect(value.reveal()), verify(as)]).catch((error: unknown) => {
      if (isUpstreamError(error)) return error
      throw error
    })
    if (!Array.isArray(looked)) return refused('unsound', `it could not be looked at (${looked.failure})`)
    const [said, verified] = looked
    const exceeded: string[] = []
    const longest = lifetimeSeconds + lifeToleranceSeconds
    if (made.refreshToken !== undefined && made.refreshToken !== null) exceeded.push('a refresh token')
    if (life === undefined) exceeded.push('no end')
    else if (life > longest || (lifeOf(said.expiresAt) ?? 0) > longest) exceeded.push('a longer life')
    if (said.user.id !== parent.user.id) exceeded.push('another account')
    if (said.sessionId !== parent.sessionId) exceeded.push('another session')
    if (said.projects.some(({ id }) => id !== project) || verified.owner.id !== project) exceeded.push('other projects')
    if (!rights.write_project && (verified.canManageBuckets || verified.canManageTokens)) exceeded.push('writing')
    if (exceeded.length > 0 || !expiresAt) return refused('beyond', ...exceeded)
    if (said.projects.length === 0) return refused('unsound', 'no project')
    // The stack does not say whether it reads alone: what it would let the holder do is what is said of it.
    const writes = rights.write_project === true && !onlyReads(verified.admin?.role)
    const granted = KeboolaRights.parse(writes ? { write_project: true } : { read_project: true })
    return { kind: 'within', token: { ...token, granted, expiresAt } }
  }

  /** A child may ask about itself, so a refusal is a verdict. */
  const standing = (handle: Secret): Promise<Standing> =>
    introspect(handle.reveal()).then(
      () => 'works',
      (error: unknown) => (isUpstreamError(error) && error.failure === 'refused' ? 'dead' : 'untold'),
    )

  /**
   * There is nothing that ends a child alone; only with its session it is dead, which is looked for.
   * @throws UpstreamError where nobody can say
   */
  async function end(handle: Secret): Promise<RevocationOutcome> {
    const found = await standing(handle)
    if (found === 'untold') throw new UpstreamError('ambiguous', 'the stack does not say how it stands')
    return { state: found === 'dead' ? 'confirmed' : 'impossible' }
  }

  return { issue, standing, end }
}

type Introspected = Awaited<ReturnType<Sessions['introspect']>>

/** As a date, or in seconds since 1970. */
const endOf = (end: unknown): Date | undefined =>
  typeof end === 'string'
    ? parseDate(end)
    : typeof end === 'number'
      ? parseDate(new Date(end * 1000).toJSON() ?? '')
      : undefined

const refusals = {
  no_session: {
    means: 'This connection is not a session of the stack, so it has no children.',
    next: 'Choose another way to make the token, or reconnect by one sign-in for several projects.',
  },
  not_reached: {
    means: 'Your session does not reach this project any more.',
    next: 'Check your membership of the project, then reconnect.',
  },
  role: {
    means: 'Your role in this project only reads, or is a guest’s. A child that writes is not made of it.',
    next: 'Choose reading alone.',
  },
  not_offered: {
    means: 'This stack has sessions, but makes no children of them.',
    next: 'Choose another way to make the token: a Storage token, or one that works through Valetkey.',
  },
} satisfies Record<string, Omit<Refusal, 'reason'>>

const rejected = (reason: keyof typeof refusals, cause?: UpstreamError) =>
  new UpstreamError('rejected', `no child: ${reason}`, {
    status: cause?.status,
    refusal: { reason, ...refusals[reason] },
    cause,
  })
