import {
  type Actor,
  type CookieCredential,
  type GrantScope,
  may,
  type Permission,
  type Person,
  type Role,
} from '../actor.ts'
import { instanceTenant, record } from '../audit/record.ts'
import { readGatewayUrl } from '../broker/proxy-url.ts'
import { type IssuableProject, issuableProjects } from '../broker/read/issuable.ts'
import { type IssueOffer, offerOf } from '../broker/read/offer.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { configured, kinds } from '../providers/index.ts'
import type { Rights } from '../providers/provider.ts'
import { languageOf } from '../providers/rules.ts'
import { isSameNetwork } from '../security/addresses.ts'
import { hash, newToken } from '../security/secrets.ts'
import { readUserCode } from '../security/user-code.ts'
import { act, actAsPerson } from '../store/authority.ts'
import {
  approveRequest,
  claimRequest,
  denyRequest,
  denyUnclaimed,
  findLivingClient,
  findRequest,
  lockLivingClient,
  type RequestRow,
  releaseRequest,
  standing,
} from '../store/authorization-requests.ts'
import { type Prisma, type ReadTx, readTenant, type Tx } from '../store/database.ts'
import { membership, tenantsOf } from '../store/lookups.ts'
import type { DeviceFlow } from '../store/policies.ts'
import { findProject } from '../store/projects.ts'
import { asSystem } from '../store/system.ts'
import { effectivePolicy, refuseIssue } from '../tenancy/policy.ts'
import { clientDocumentsOf, deviceFlowOf } from '../tenancy/tenant-policy.ts'
import { answerUrl } from './authorize.ts'
import { type Ceiling, readCeilings } from './ceilings.ts'
import { userCodeHash } from './device.ts'
import { letsIn } from './documents.ts'
import { codeSeconds } from './lifetimes.ts'
import { matchRedirect } from './redirects.ts'

/** Somebody at a browser, and when they last proved to the issuer who they are. */
export type Answerer = Person<CookieCredential> & { authTime: Date }

const target = (id: string) => ({ kind: 'authorization', id }) as const

/**
 * Lets a person answer the device whose code they typed: the first of them, until they answer or give it back (D-07).
 * @throws BrokerError user_code_unknown, whatever is the matter with it (D-11)
 */
export async function claimDevice(ctx: Context, person: Answerer, typed: string): Promise<{ id: string }> {
  const code = readUserCode(typed)
  const claimed =
    code &&
    (await actAsPerson(ctx, person, instanceTenant, {}, async (tx) => {
      const claimed = await claimRequest(tx, person, userCodeHash(ctx, code))
      if (!claimed) return undefined
      const { id, clientId: client, isNew } = claimed
      const event = { action: 'authorization.claimed', outcome: 'ok', target: target(id), details: { client } } as const
      if (isNew) await record(tx, instanceTenant, ctx.now(), person, event)
      return { id }
    }))
  if (!claimed) throw new BrokerError('user_code_unknown')
  return claimed
}

/** Gives a device back: its code can be typed again, by anybody. @throws BrokerError not_found, request_over */
export async function releaseDevice(ctx: Context, person: Answerer, id: string): Promise<void> {
  if (!(await findRequest(ctx, person.userId, id))) throw new BrokerError('not_found')
  const released = await actAsPerson(ctx, person, instanceTenant, {}, async (tx) => {
    const client = await releaseRequest(tx, person.userId, id)
    if (client === undefined) return false
    const event = { action: 'authorization.released', outcome: 'ok', target: target(id), details: { client } } as const
    await record(tx, instanceTenant, ctx.now(), person, event)
    return true
  })
  if (!released) throw new BrokerError('request_over')
}

/** What a role must allow so that a scope is of any use to whoever has it. */
export const scopeNeeds: Record<GrantScope, Permission> = {
  'projects:read': 'read',
  'connections:manage': 'work',
  'tokens:issue': 'work',
  'tokens:revoke': 'work',
  'tenant:read': 'read',
  'tenant:manage': 'administer',
  'audit:read': 'read',
  'mcp:use': 'work',
}

/** Why a scope that was asked for cannot be given: it never goes to a device, the client may no longer have it, or the role. */
export type Withheld = { scope: GrantScope; because: 'device' | 'client' | 'role' }

function judgeScopes(
  { scopes, kind }: Pick<RequestRow, 'scopes' | 'kind'>,
  client: { scopes: string[] },
  role: Role,
): { allowed: GrantScope[]; withheld: Withheld[] } {
  const because = (scope: GrantScope): Withheld['because'] | undefined => {
    if (kind === 'device' && scope === 'tenant:manage') return 'device'
    if (!client.scopes.includes(scope)) return 'client'
    return may({ role }, scopeNeeds[scope]) ? undefined : 'role'
  }
  const judged = scopes.map((scope) => ({ scope, because: because(scope) }))
  return {
    allowed: judged.filter((one) => !one.because).map(({ scope }) => scope),
    withheld: judged.flatMap(({ scope, because }) => (because ? [{ scope, because }] : [])),
  }
}

/**
 * Whether its giver signed in lately enough for what the program asks (OpenID Connect Core 3.1.2.1): after the request for
 * `prompt=login`; for `max_age` no longer before it than that, or after it.
 */
function isSignInRecent({ prompt, maxAge, createdAt }: RequestRow, authTime: Date): boolean {
  if (prompt?.split(' ').includes('login')) return authTime > createdAt
  return maxAge === null || authTime.getTime() >= createdAt.getTime() - maxAge * 1000
}

export type ProjectChoice = {
  id: string
  name: string
  alias: string
  provider: string
  /** Which tokens can be made for it: of the upstream's own, and such as work through us. */
  upstream: boolean
  proxy: boolean
}

/** An MCP server as the person who would let a program use it knows it. */
export type GatewayServer = {
  id: string
  name: string
  provider: string
  host: string
}

export type AuthorizationView = {
  id: string
  kind: RequestRow['kind']
  state: 'open' | 'approved' | 'denied' | 'expired'
  /** `tenant`: whose it is; null: it belongs to the instance. `document`: where it says itself what it is; null: an admin registered it. */
  client: { id: string; name: string; tenant: string | null; document: string | null }
  /** Who may be answered for: the tenants of the person, and whether each lets devices in. */
  tenants: { slug: string; name: string; role: Role; deviceFlow: DeviceFlow }[]
  /** The one that the rest is about; null: there is none. */
  chosen: {
    slug: string
    frozen: boolean
    scopes: GrantScope[]
    withheld: Withheld[]
    projects: ProjectChoice[]
  } | null
  /** Of a request for a gateway: which MCP server it is for; null in it: it is none that this person can use. */
  gateway: { url: string; server: GatewayServer | null } | null
  /** Where the answer goes; null: to a device. */
  redirectHost: string | null
  address: string | null
  agent: string | null
  /** Null: not known. */
  sameNetwork: boolean | null
  signInAgain: boolean
  createdAt: Date
  expiresAt: Date
}

/** The same, with what a form needs to choose rights of each project. */
export type AuthorizationForm = AuthorizationView & { offers: Record<string, IssueOffer> }

/**
 * What a program asks of a person, for whoever may answer alone. `tenant`: the one that they would answer for.
 * @throws BrokerError not_found
 */
export async function authorizationForm(
  ctx: Context,
  person: Answerer,
  { id, tenant }: { id: string; tenant?: string | undefined },
): Promise<AuthorizationForm> {
  const request = await findRequest(ctx, person.userId, id)
  if (!request) throw new BrokerError('not_found')
  const gateway = gatewayOf(ctx, request)
  const known = (await tenantsOf(ctx, person)).filter(
    ({ status, refused, tenantId }) =>
      status === 'active' && !refused && [null, tenantId].includes(request.clientTenantId),
  )
  // A gateway is one tenant's.
  const places = gateway ? known.filter(({ slug }) => slug === gateway.slug) : known
  // A tenant's client exists for its members alone.
  if (request.clientTenantId !== null && known.length === 0) throw new BrokerError('not_found')
  const tenants = []
  for (const place of places) tenants.push({ ...place, deviceFlow: await deviceFlowOf(ctx, place.tenantId) })
  const isOpen = request.status === 'pending' && request.expiresAt > ctx.now()
  const chosen =
    tenants.find(({ slug }) => slug === tenant) ??
    tenants.find(({ deviceFlow }) => request.kind === 'code' || deviceFlow !== 'off') ??
    tenants[0]
  const facts = await readTenant(ctx, chosen?.tenantId ?? request.clientTenantId ?? instanceTenant, async (tx) => {
    const client = await findLivingClient(tx, request.clientId)
    if (!client || !chosen) return { client, chosen: null, projects: [], server: null }
    const { frozen } = await standing(tx, { ...chosen, userId: person.userId, clientId: client.id })
    const { allowed, withheld } = judgeScopes(request, client, chosen.role)
    const issuable =
      gateway || allowed.includes('tokens:issue')
        ? await issuableProjects(tx, { tenantId: chosen.tenantId, userId: person.userId })
        : []
    const project = gateway && (await serverAmong(tx, { ...person, ...chosen }, gateway.project, issuable))
    const server = project ? toServer(project) : null
    const projects = project ? [project] : gateway ? [] : issuable
    return { client, chosen: { slug: chosen.slug, frozen, scopes: allowed, withheld }, projects, server }
  })
  if (!facts.client) throw new BrokerError('not_found')
  const offers = offersOf(ctx, chosen?.slug ?? '', facts.projects)
  return {
    id,
    kind: request.kind,
    state: request.status !== 'pending' ? stateOf[request.status] : isOpen ? 'open' : 'expired',
    client: {
      id: facts.client.id,
      name: facts.client.name,
      tenant: request.clientTenantId === null ? null : (known[0]?.name ?? null),
      document: facts.client.document,
    },
    tenants: tenants.map(({ slug, name, role, deviceFlow }) => ({ slug, name, role, deviceFlow })),
    chosen: facts.chosen && {
      ...facts.chosen,
      projects: facts.projects.flatMap(({ id, name, alias, provider }) => {
        const ways = offers[id]?.ways ?? []
        const proxy = ways.some(({ strategy }) => strategy === 'proxy')
        const upstream = ways.some(({ strategy }) => strategy !== 'proxy')
        return ways.length > 0 ? [{ id, name, alias, provider: provider.name, upstream, proxy }] : []
      }),
    },
    gateway: gateway && { url: request.resource ?? '', server: facts.server },
    redirectHost: request.redirectUri === null ? null : hostOf(request.redirectUri),
    address: request.address,
    agent: request.agent,
    sameNetwork: isSameNetwork(request.address, person.address) ?? null,
    signInAgain: !isSignInRecent(request, person.authTime),
    createdAt: request.createdAt,
    expiresAt: request.expiresAt,
    offers,
  }
}

/** Which gateway a request is for; null: for our API. */
const gatewayOf = (ctx: Context, { resource }: Pick<RequestRow, 'resource'>) =>
  (resource !== null && readGatewayUrl(ctx.config, resource)) || null

/** The MCP server that an alias means for this person, of those that they can use themselves. */
async function serverAmong(
  tx: ReadTx,
  { tenantId, userId }: { tenantId: string; userId: string },
  alias: string,
  projects: IssuableProject[],
): Promise<IssuableProject | undefined> {
  const named = await findProject(tx, tenantId, { userId, seesAll: false }, alias)
  const found = projects.find(({ id }) => id === named?.id)
  return found && kinds.get(found.provider.kind)?.gateway ? found : undefined
}

const toServer = ({ id, name, provider, externalId }: IssuableProject): GatewayServer => ({
  id,
  name,
  provider: provider.name,
  host: new URL(externalId).host,
})

const stateOf = { approved: 'approved', consumed: 'approved', denied: 'denied' } as const

/** Of an address of a program's own scheme, which has no host, the scheme. */
const hostOf = (uri: string) => new URL(uri).host || new URL(uri).protocol

const offersOf = (ctx: Context, slug: string, projects: IssuableProject[]): Record<string, IssueOffer> =>
  Object.fromEntries(
    projects.flatMap((project) => {
      const { provider, connection } = project
      const offer = offerOf(
        ctx,
        { slug },
        {
          project,
          provider,
          branch: connection.branchId,
          flow: connection.flow,
          token: '',
        },
      )
      return offer ? [[project.id, offer]] : []
    }),
  )

export type ApprovalInput = {
  id: string
  /** By its slug. */
  tenant: string
  scopes: GrantScope[]
  ceilings: Record<string, Ceiling>
}

/** Where the browser goes with the answer; null: it stays here, and the device asks for it. */
export type Answered = { redirectTo: string | null }

/**
 * Gives a program what it asked for, or less of it. Nothing is made yet: the winning poll or the redeemed code makes the grant,
 * and compares the generations that are written here.
 * @throws BrokerError not_found, request_over, over_policy, frozen, fresh_signin_required, bad_request
 */
export async function approveAuthorization(ctx: Context, person: Answerer, input: ApprovalInput): Promise<Answered> {
  const { id, scopes } = input
  const request = await openRequest(ctx, person, id)
  const place = await membership(ctx, person, input.tenant)
  const gateway = gatewayOf(ctx, request)
  const isTheirs = place?.status === 'active' && [null, place.tenantId].includes(request.clientTenantId)
  if (!place || !isTheirs || (gateway && gateway.slug !== place.slug)) throw new BrokerError('not_found')
  if (place.refused) throw new BrokerError('session_refused')
  if (!isSignInRecent(request, person.authTime)) throw new BrokerError('fresh_signin_required')
  const code = request.kind === 'code' ? newToken('ac').reveal() : undefined
  const { tenantId, slug } = place
  const done = await act(ctx, { ...person, tenantId, slug }, 'read', async (tx, actor) => {
    const client = await lockLivingClient(tx, request.clientId)
    if (!client) throw new BrokerError('not_found')
    // An address that was taken away meanwhile is answered no more.
    const { redirectUri } = request
    if (redirectUri !== null && !matchRedirect(client.redirectUris, redirectUri)) return false
    if (request.kind === 'device' && (await deviceFlowOf(tx, tenantId)) === 'off')
      throw new BrokerError('over_policy', { detail: 'This tenant lets no devices in, set by an admin.' })
    if (client.document !== null && !letsIn(await clientDocumentsOf(tx, tenantId), redirectUri))
      throw new BrokerError('over_policy', { detail: 'This tenant does not let this program in, set by an admin.' })
    const { allowed } = judgeScopes(request, client, actor.role)
    const beyond = scopes.find((scope) => !allowed.includes(scope))
    if (beyond) throw wrong('scopes', `${beyond} cannot be given`)
    if (scopes.length === 0) throw wrong('scopes', 'Choose at least one.')
    const ceilings = gateway
      ? await gatewayCeilings(tx, actor, gateway, input.ceilings)
      : scopes.includes('tokens:issue')
        ? readCeilings(input.ceilings, await issuableProjects(tx, actor))
        : {}
    if (!gateway && !scopes.includes('tokens:issue') && Object.keys(input.ceilings).length > 0)
      throw wrong('ceilings', 'need the scope tokens:issue')
    const { frozen, generations } = await standing(tx, { tenantId, userId: actor.userId, clientId: client.id })
    if (frozen) throw new BrokerError('frozen')
    if (!generations) throw new BrokerError('not_found')
    const written = await approveRequest(tx, id, {
      tenantId,
      userId: actor.userId,
      scopes,
      ceilings: ceilings as Prisma.InputJsonObject,
      authTime: person.authTime,
      generations,
      code: code === undefined ? undefined : { hash: hash(code), seconds: codeSeconds },
    })
    if (!written) return false
    await record(tx, tenantId, ctx.now(), actor, {
      action: 'authorization.approved',
      outcome: 'ok',
      target: target(id),
      details: { client: client.id, via: request.kind, scopes, projects: Object.keys(ceilings) },
    })
    return true
  })
  if (!done) throw new BrokerError('request_over')
  return { redirectTo: code === undefined ? null : redirectTo(ctx, request, { code }) }
}

/**
 * What a program may do at the gateway that it asks for: its one project's rights, stated, as far as policy lets their giver go.
 * @throws BrokerError not_found, bad_request, over_policy
 */
async function gatewayCeilings(
  tx: Tx,
  actor: Actor,
  { project: alias }: { project: string },
  given: Record<string, Ceiling>,
): Promise<Record<string, Ceiling<Rights>>> {
  const project = await serverAmong(tx, actor, alias, await issuableProjects(tx, actor))
  const made = project && configured(project.provider)
  if (!made) throw new BrokerError('not_found')
  const ceilings = readCeilings(given, [project])
  const rights = ceilings[project.id]?.proxy
  if (!rights) throw wrong('ceilings', 'say what it may do at this MCP server')
  const { tenantId, userId, role } = actor
  const policy = await effectivePolicy(tx, { tenantId, providerId: project.providerId, projectId: project.id, userId })
  const asked = { role, strategy: 'proxy', seconds: 0, rights }
  refuseIssue(policy, asked, languageOf(made.kind, 'proxy', made.settings))
  return ceilings
}

/**
 * Turns a program down: it hears so at its next question, or by the browser that comes back (O-22). `isReported`: the person
 * says that somebody else began it, which their tenants are told.
 * @throws BrokerError not_found, request_over
 */
export async function denyAuthorization(
  ctx: Context,
  person: Answerer,
  { id, isReported }: { id: string; isReported: boolean },
): Promise<Answered> {
  const request = await openRequest(ctx, person, id)
  const { clientId: client, kind: via, address: from } = request
  const home = await homeOf(ctx, person, request)
  const event = isReported
    ? ({ action: 'authorization.reported', outcome: 'ok', target: target(id), details: { client, via, from } } as const)
    : ({
        action: 'authorization.denied',
        outcome: 'ok',
        target: target(id),
        details: { client, via, by: 'person' },
      } as const)
  const done = await actAsPerson(ctx, person, home, {}, async (tx) => {
    if (!(await denyRequest(tx, person.userId, id))) return false
    await record(tx, home, ctx.now(), person, event)
    return true
  })
  if (!done) throw new BrokerError('request_over')
  // A client of the instance could have asked for any of them.
  if (isReported && home === instanceTenant)
    for (const { tenantId } of await placesOf(ctx, person))
      await actAsPerson(ctx, person, tenantId, {}, (tx) => record(tx, tenantId, ctx.now(), person, event))
  return { redirectTo: via === 'code' ? redirectTo(ctx, request, { error: 'access_denied' }) : null }
}

/**
 * Turns down the device whose code a browser brought that could not sign in: the identity provider said no, and nobody will
 * come (O-22). Not one that a person has claimed, who may answer it themselves.
 */
export async function denyAtSignIn(
  ctx: Context,
  origin: { address: string | undefined; agent: string | undefined; requestId: string },
  typed: string,
): Promise<void> {
  const code = readUserCode(typed)
  if (!code) return
  await asSystem(ctx, instanceTenant, 'refusal', async (tx) => {
    const denied = await denyUnclaimed(tx, userCodeHash(ctx, code))
    if (!denied) return
    await record(
      tx,
      instanceTenant,
      ctx.now(),
      { userId: null, ...origin },
      {
        action: 'authorization.denied',
        outcome: 'ok',
        target: target(denied.id),
        details: { client: denied.clientId, via: 'device', by: 'identity provider' },
      },
    )
  })
}

/** Whether a link with a code in it may be followed by one press: every tenant of the person says so. */
export async function mayFollowLink(ctx: Context, person: Person): Promise<boolean> {
  const places = await placesOf(ctx, person)
  for (const { tenantId } of places) if ((await deviceFlowOf(ctx, tenantId)) !== 'one_click') return false
  return places.length > 0
}

const placesOf = async (ctx: Context, person: Person) =>
  (await tenantsOf(ctx, person)).filter(({ status, refused }) => status === 'active' && !refused)

/** Whose trail tells of an answer that chose no tenant: that of the client's tenant, else the instance's. */
async function homeOf(ctx: Context, person: Person, { clientTenantId }: RequestRow): Promise<string> {
  if (clientTenantId === null) return instanceTenant
  const isTheirs = (await placesOf(ctx, person)).some(({ tenantId }) => tenantId === clientTenantId)
  if (!isTheirs) throw new BrokerError('not_found')
  return clientTenantId
}

async function openRequest(ctx: Context, { userId }: Person, id: string): Promise<RequestRow> {
  const request = await findRequest(ctx, userId, id)
  if (!request) throw new BrokerError('not_found')
  if (request.status !== 'pending' || request.expiresAt <= ctx.now()) throw new BrokerError('request_over')
  return request
}

const redirectTo = (
  ctx: Context,
  { redirectUri, state }: RequestRow,
  answer: { code: string } | { error: string },
): string | null => (redirectUri === null ? null : answerUrl(ctx, { redirectUri, state }, answer))

const wrong = (field: string, fault: string) => new BrokerError('bad_request', { fields: { [field]: fault } })
