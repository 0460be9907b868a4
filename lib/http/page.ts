import { headers } from 'next/headers'
import { notFound, redirect } from 'next/navigation'
import { cache } from 'react'
import { type Actor, type CookieCredential, type Membership, may, type Permission } from '../actor.ts'
import { type Context, context } from '../context.ts'
import { type ErrorCode, errorCodes, isBrokerError } from '../errors.ts'
import { tenantsOf } from '../store/lookups.ts'
import { toActor, toAnswerer } from './authenticate.ts'
import { takeLimit } from './limits.ts'
import { pageScope } from './page-scope.ts'
import { addressOf, agentMax } from './request.ts'
import { safePath } from './safe-path.ts'
import { readSession, type Session } from './session.ts'

/** What a page knows about who looks at it. */
export type PersonPage = { ctx: Context; session: Session }

/** The same inside one tenant. `allowed` is false where the role lacks the right: the page then shows that state. */
export type MemberPage = PersonPage & {
  actor: Actor<CookieCredential>
  /** The person's tenants, suspended memberships included. */
  tenants: readonly Membership[]
  allowed: boolean
}

/**
 * Who looks at the page, signed in or not. Read once a request, however many layouts and pages ask, and counted once:
 * a page reads as much as an operation of the API does, so both add to the same limit of their person (B-01).
 */
export const currentPerson = cache(async (): Promise<{ ctx: Context; session: Session | undefined }> => {
  const given = await headers()
  const ctx = await context()
  return orStatus(async () => {
    // Where they are is asked next by nearly every page.
    const session = await readSession(ctx, given, { places: 'all' })
    if (session) await takeLimit(ctx, 'read', { userId: session.userId })
    return { ctx, session }
  })
})

const tenantsOfPerson = cache(async (session: Session): Promise<readonly Membership[]> => {
  const ctx = await context()
  return orStatus(() => tenantsOf(ctx, session))
})

/** For pages of signed-in people: everybody else is sent to sign in, and back here afterwards, or at least to `near`. */
export async function requirePerson(near = '/'): Promise<PersonPage> {
  const { ctx, session } = await currentPerson()
  if (!session) redirect(signinPath(near))
  return { ctx, session }
}

/** Who looks at a page as the one who answers a program, and from where. */
export async function answererOf(session: Session) {
  const given = await headers()
  return toAnswerer(session, { address: addressOf(given), agent: given.get('user-agent')?.slice(0, agentMax) })
}

/** The person's tenants that let them in. */
export async function tenantsOfSession(session: Session): Promise<readonly Membership[]> {
  return (await tenantsOfPerson(session)).filter(({ status }) => status === 'active')
}

/** The person's tenants where their membership is suspended. */
export async function suspensionsOfSession(session: Session): Promise<readonly Membership[]> {
  return (await tenantsOfPerson(session)).filter(({ status }) => status === 'suspended')
}

/**
 * For pages of a tenant: foreign and unknown are both "not found" (Z-02, E-04). Suspended members are told so; they know
 * of the tenant. The API answers them 404.
 */
export async function requireMember(slug: string, permission: Permission = 'read'): Promise<MemberPage> {
  const { ctx, session } = await requirePerson(`/t/${slug}/projects`)
  const tenants = await tenantsOfPerson(session)
  const tenant = tenants.find((one) => one.slug === slug)
  if (!tenant) notFound()
  if (tenant.status !== 'active') redirect(`/suspended/${encodeURIComponent(slug)}`)
  if (tenant.refused) redirect(signinPath(`/t/${slug}/projects`, 'session_refused'))
  const given = await headers()
  const agent = given.get('user-agent')?.slice(0, agentMax)
  const actor = toActor(session, tenant, { address: addressOf(given), agent })
  return { ctx, session, actor, tenants, allowed: may(actor, permission) }
}

/**
 * A page cannot set its status: it is left for server.ts, which answers 503 or 429 in place of the throw's 500 (H-02).
 */
async function orStatus<T>(reading: () => Promise<T>): Promise<T> {
  try {
    return await reading()
  } catch (error) {
    if (!isBrokerError(error, 'unavailable', 'rate_limited')) throw error
    const scope = pageScope()
    if (scope) scope.status = errorCodes[error.code].status
    if (scope && error.retryAfterSeconds) scope.retryAfterSeconds = error.retryAfterSeconds
    // All that the page which stands in for this one learns of an error (app/error.tsx).
    throw error.code === 'rate_limited' ? Object.assign(error, { digest: 'too_many_pages' }) : error
  }
}

/** Sign-in, and the page asked for as the way back. */
function signinPath(near: string, error?: ErrorCode): string {
  // The router's own parameter names a part of a page, not a page.
  const asked = pageScope()
    ?.path?.replace(/([?&])_rsc=[^&]*&?/, '$1')
    .replace(/[?&]$/, '')
  const path = safePath(asked) ?? safePath(near)
  const query = new URLSearchParams({ ...(error && { error }), ...(path && path !== '/' && { return_to: path }) })
  return query.size > 0 ? `/signin?${query}` : '/signin'
}
