import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Role } from './modes.ts'
import { tokenPage } from './pages.ts'
import { note, type Part, type World, withoutFields } from './part.ts'
import { type StorageToken, sha256, type TokenRecord } from './store.ts'
import { type Answer, type Incoming, json } from './wire.ts'
import {
  type Account,
  accountByEmail,
  accountBySub,
  type Bucket,
  type Project,
  projectById,
  projectsOf,
} from './world.ts'

/** Who is calling: a person through an OAuth access token, or a token made earlier. */
type Actor = { project: Project } & (
  | { kind: 'admin'; account: Account; role: Role; by?: StorageToken }
  | { kind: 'token'; token: StorageToken }
)

const FLAGS = [
  'canManageBuckets',
  'canReadAllFileUploads',
  'canPurgeTrash',
  'canReadAllProjectEvents',
  'canManageDevBranches',
  'canManageProtectedDefaultBranch',
  'canCreateJobs',
  // Not documented for this call, yet accepted: it makes the token that later cannot mint (answered 500).
  'canManageTokens',
] as const

/** JSON or form; in a form everything is a string and a flag is `1` or `true`. */
const flag = z.union([
  z.boolean(),
  z.enum(['0', '1', 'true', 'false']).transform((text) => text === '1' || text === 'true'),
])
const MintRequest = z.looseObject({
  description: z.string().optional(),
  expiresIn: z.coerce.number().int().positive().optional(),
  bucketPermissions: z.union([z.record(z.string(), z.string()), z.array(z.never()).transform(() => ({}))]).default({}),
  componentAccess: z.array(z.string()).default([]),
  ...(Object.fromEntries(FLAGS.map((name) => [name, flag.optional()])) as Record<
    (typeof FLAGS)[number],
    z.ZodOptional<typeof flag>
  >),
})

/** `2026-03-01T10:00:00+0100`: an offset without colon, as PHP's ISO8601 writes it. `at` in milliseconds. */
export function storageDate(at: number): string {
  return `${new Date(at + 3_600_000).toISOString().slice(0, 19)}+0100`
}

/** The Storage API: tokens, and enough data behind them to see that their rights hold. */
export function makeStorage(world: World): { part: Part; make: (token: OwnToken) => string } {
  const { clock, store, modes, url } = world

  function fail(status: number, code: string, error: string): Answer {
    return json(status, { error, code, exceptionId: `demo-${randomBytes(8).toString('hex')}`, status: 'error' })
  }
  const invalidToken = () => fail(401, 'storage.tokenInvalid', 'Invalid access token')
  const accessDenied = () => fail(403, 'accessDenied', "You don't have access to the resource.")
  const notFound = (what: string) => fail(404, `storage.${what}.notFound`, `The ${what} does not exist here.`)

  function authenticate(incoming: Incoming): Actor | undefined {
    const storageValue = incoming.headers['x-storageapi-token']
    if (typeof storageValue === 'string') {
      const token = store.storageToken(storageValue)
      const project = projectById(token?.project)
      if (!token || !project) return undefined
      if (token.master === undefined) return { kind: 'token', token, project }
      const owner = accountBySub(token.master)
      const role = modes.current.role ?? owner?.memberships[project.id]
      return owner && role && { kind: 'admin', account: owner, role, project, by: token }
    }
    const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    const record = bearer === undefined ? undefined : store.token(bearer)
    if (record?.system === 'sessions') return ofSession(incoming, record)
    if (record?.kind !== 'access' || record.system !== 'stack' || !store.isLive(record)) return undefined
    const account = accountBySub(record.sub)
    const project = projectById(record.project)
    const role = modes.current.role ?? (project && account?.memberships[project.id])
    return account && project && role && { kind: 'admin', account, role, project }
  }

  /** A session reaches many projects, so each call names its own. A child reaches what was asked for it. */
  function ofSession({ headers }: Incoming, record: TokenRecord): Actor | undefined {
    const account = accountBySub(record.sub)
    const project = projectById(String(headers['x-kbc-projectid'] ?? ''))
    if (record.kind !== 'access' || !store.isLive(record) || !account || !project) return undefined
    const own = modes.current.role ?? account.memberships[project.id]
    if (!own || (record.projects && !record.projects.includes(project.id))) return undefined
    return { kind: 'admin', account, project, role: record.readOnly ? 'readOnly' : own }
  }

  const masterId = (account: Account, project: Project) => `${account.id}${project.id}`
  const actorId = (actor: Actor) => (actor.kind === 'token' ? actor.token.id : masterId(actor.account, actor.project))
  const manages = (actor: Actor) =>
    actor.kind === 'admin'
      ? actor.role === 'admin' || actor.role === 'share'
      : actor.token.flags.canManageTokens === true

  function masterView(account: Account, role: Role, project: Project) {
    const full = role === 'admin' || role === 'share'
    return {
      id: masterId(account, project),
      created: project.created,
      refreshed: project.created,
      description: account.email,
      uri: `${url}/v2/storage/tokens/${masterId(account, project)}`,
      isMasterToken: modes.current.master,
      canManageBuckets: full,
      canManageTokens: full,
      canReadAllFileUploads: full,
      canPurgeTrash: full,
      canManageProtectedDefaultBranch: full,
      canCreateJobs: role !== 'readOnly',
      expires: null,
      isExpired: false,
      isDisabled: false,
      isBYODB: false,
      dailyCapacity: 0,
      bucketPermissions: permissionsView(
        Object.fromEntries(project.buckets.map(({ id }) => [id, full ? 'manage' : 'read'])),
      ),
      ...(modes.current.master && {
        admin: {
          id: Number(account.id),
          name: account.name,
          role,
          features: [],
          isOrganizationMember: role === 'admin',
          isActivated: true,
        },
      }),
    }
  }

  /** PHP writes an empty map as an empty list. */
  const permissionsView = (permissions: Record<string, string>) =>
    Object.keys(permissions).length === 0 ? [] : permissions

  const managed = (project: string) =>
    Object.fromEntries((projectById(project)?.buckets ?? []).map(({ id }) => [id, 'manage']))

  function tokenView(token: StorageToken) {
    const has = (name: (typeof FLAGS)[number]) => token.flags[name] === true
    return {
      id: token.id,
      created: storageDate(token.created),
      refreshed: storageDate(token.refreshed ?? token.created),
      description: token.description,
      uri: `${url}/v2/storage/tokens/${token.id}`,
      isMasterToken: false,
      canManageBuckets: has('canManageBuckets'),
      canManageTokens: has('canManageTokens'),
      canReadAllFileUploads: has('canReadAllFileUploads'),
      canReadAllProjectEvents: has('canReadAllProjectEvents'),
      canManageDevBranches: has('canManageDevBranches'),
      canPurgeTrash: has('canPurgeTrash'),
      canManageProtectedDefaultBranch: has('canManageProtectedDefaultBranch'),
      canCreateJobs: has('canCreateJobs'),
      expires: token.expires === null ? null : storageDate(token.expires),
      isExpired: token.expires !== null && token.expires <= clock.now(),
      isDisabled: false,
      isBYODB: false,
      dailyCapacity: 0,
      bucketPermissions: permissionsView(
        // Who manages buckets is told of each of them (TokensTest, testAllBucketsTokenPermissions).
        has('canManageBuckets') ? managed(token.project) : token.bucketPermissions,
      ),
      ...(token.componentAccess.length > 0 && { componentAccess: token.componentAccess }),
      creatorToken: { ...token.creator, id: Number(token.creator.id) },
    }
  }

  const actorView = (actor: Actor) =>
    actor.kind === 'token' ? tokenView(actor.token) : masterView(actor.account, actor.role, actor.project)

  function verify(actor: Actor): Answer {
    const { project } = actor
    const owner = {
      id: modes.current.ownerId === 'number' ? Number(project.id) : project.id,
      name: project.name,
      type: 'production',
      region: project.region,
      created: project.created,
      expires: null,
      features: ['queuev2', 'workspaces'],
      hasMysql: false,
      hasSnowflake: true,
      defaultBackend: 'snowflake',
      fileStorageProvider: 'aws',
      limits: {},
      metrics: {},
      isDisabled: false,
    }
    return json(200, withoutFields(world, { ...actorView(actor), owner, organization: { id: project.organization } }))
  }

  function mint(incoming: Incoming, actor: Actor): Answer {
    if (actor.kind === 'token') {
      return actor.token.flags.canManageTokens ? fail(500, 'applicationError', 'Application error') : accessDenied()
    }
    if (actor.role === 'readOnly') return accessDenied()
    const asked = MintRequest.safeParse(incoming.fields)
    if (!asked.success) return fail(400, 'storage.tokens.invalidAttributes', 'The token attributes are invalid.')
    const { description, bucketPermissions, componentAccess } = asked.data
    const excess = modes.current.mintExcess
    const expiresIn = excess?.expiresIn === undefined ? asked.data.expiresIn : excess.expiresIn
    const wrong = Object.entries(bucketPermissions).find(
      ([id, permission]) =>
        !['read', 'write'].includes(permission) || !actor.project.buckets.some((bucket) => bucket.id === id),
    )
    const clamped = actor.role === 'guest'
    if (wrong && !clamped) {
      return fail(
        400,
        'storage.tokens.invalidPermissions',
        `Permission "${wrong[1]}" on "${wrong[0]}" is not possible.`,
      )
    }
    const id = store.newId()
    const value = newValue(actor.project, id)
    const token: StorageToken = {
      id,
      hash: sha256(value),
      project: actor.project.id,
      description: description || `Created by ${actor.account.email}`,
      created: clock.now(),
      expires: expiresIn === undefined || expiresIn === null ? null : clock.now() + expiresIn * 1000,
      bucketPermissions: {
        ...(clamped ? {} : (bucketPermissions as StorageToken['bucketPermissions'])),
        ...excess?.buckets,
      },
      componentAccess: [...(clamped ? [] : componentAccess), ...(excess?.components ?? [])],
      flags: {
        ...(clamped ? {} : Object.fromEntries(FLAGS.map((name) => [name, asked.data[name] ?? false]))),
        ...excess?.flags,
      },
      creator: { id: masterId(actor.account, actor.project), description: actor.account.email },
    }
    keep(value, token, actor.account.sub)
    addEvent(actor, token.id, 'storage.tokenCreated', `Created token ${token.description}`)
    return json(
      modes.current.mintStatus,
      withoutFields(world, { ...tokenView(token), token: value, ...excess?.claims }),
    )
  }

  const newValue = (project: Project, id: string) =>
    `${project.id}-${id}-${randomBytes(30).toString('base64url').replace(/[-_]/g, 'x')}`

  function keep(value: string, token: StorageToken, sub: string) {
    store.addStorageToken(token)
    const { project, expires: expiresAt } = token
    world.ledger.issue(
      value,
      store.addToken(value, { kind: 'storage', system: 'stack', sub, project, expiresAt }),
      token.id,
    )
  }

  /** What somebody makes in the stack's own pages: their master token, or one with fewer rights. */
  function make({ account, project, kind, expiresInSeconds }: OwnToken): string {
    const id = kind === 'master' ? masterId(account, project) : store.newId()
    const value = newValue(project, id)
    const [bucket] = project.buckets
    keep(
      value,
      {
        id,
        hash: sha256(value),
        project: project.id,
        description: kind === 'master' ? account.email : `Made by hand, ${kind}`,
        created: clock.now(),
        expires: expiresInSeconds === undefined ? null : clock.now() + expiresInSeconds * 1000,
        bucketPermissions: kind === 'master' || !bucket ? {} : { [bucket.id]: 'read' },
        componentAccess: [],
        flags: kind === 'manager' ? { canManageTokens: true } : {},
        creator: { id: masterId(account, project), description: account.email },
        ...(kind === 'master' && { master: account.sub }),
      },
      account.sub,
    )
    return value
  }

  /** The same token with another value; the old one is dead at once. Itself always, others need the right. */
  function refresh(actor: Actor, id: string): Answer {
    const own = actor.kind === 'token' ? actor.token : actor.by
    const itself = own?.id === id ? own : undefined
    if (!itself && !manages(actor)) return accessDenied()
    const token = itself ?? store.storageTokensOf(actor.project.id).find((one) => one.id === id && !one.master)
    if (!token) return notFound('tokens')
    const value = newValue(actor.project, id)
    const sub = store.tokenByHash(token.hash)?.sub ?? ''
    store.removeStorageToken(token)
    store.endToken(token.hash)
    const fresh = { ...token, hash: sha256(value), refreshed: clock.now() }
    keep(value, fresh, sub)
    addEvent(actor, id, 'storage.tokenRefreshed', `Refreshed token ${token.description}`)
    const view = actor.kind === 'admin' && itself ? actorView(actor) : tokenView(fresh)
    return json(200, withoutFields(world, { ...view, token: value }))
  }

  function addEvent(actor: Actor, object: string, event: string, message: string) {
    store.addEvent({ project: actor.project.id, token: actorId(actor), object, event, message })
  }

  function remove(actor: Actor, id: string): Answer {
    const token = store.storageTokensOf(actor.project.id).find((one) => one.id === id)
    const itself = actor.kind === 'token' && actor.token.id === id
    if (!itself && !manages(actor)) return accessDenied()
    if (!token) return notFound('tokens')
    if (token.master !== undefined) return accessDenied()
    store.removeStorageToken(token)
    store.endToken(token.hash)
    addEvent(actor, id, 'storage.tokenDeleted', `Deleted token ${token.description}`)
    return { status: 204, headers: {}, body: '' }
  }

  function detail(actor: Actor, id: string): Answer {
    if (actorId(actor) === id) return json(200, actorView(actor))
    if (!manages(actor)) return accessDenied()
    const token = store.storageTokensOf(actor.project.id).find((one) => one.id === id)
    return token ? json(200, tokenView(token)) : notFound('tokens')
  }

  /** Newest first. With `q=token.id:{id}` what the token did; without, what was done about it as well. */
  function tokenEvents(actor: Actor, id: string, query: URLSearchParams): Answer {
    if (actorId(actor) !== id && !manages(actor)) return accessDenied()
    const onlyBy = query.get('q') === `token.id:${id}`
    const limit = Math.min(Number(query.get('limit') ?? 100) || 100, 1000)
    const events = store
      .eventsOf(actor.project.id)
      .filter((event) => event.token === id || (!onlyBy && event.object === id))
      .slice(0, limit)
    return json(
      200,
      events.map(({ id: eventId, event, message, created, token, object }) => ({
        id: eventId,
        event,
        component: 'storage',
        message,
        type: 'info',
        created: storageDate(created),
        token: { id: Number(token) },
        objectId: object,
      })),
    )
  }

  // --- data

  function bucketRight(actor: Actor, bucket: Bucket): 'none' | 'read' | 'write' {
    if (actor.kind === 'admin') return actor.role === 'admin' || actor.role === 'share' ? 'write' : 'read'
    const right = actor.token.bucketPermissions[bucket.id] ?? 'none'
    return actor.token.flags.canManageBuckets || right === 'manage' ? 'write' : right
  }

  const reaches = (actor: Actor, component: string) =>
    actor.kind === 'admin' || actor.token.componentAccess.includes(component)

  /** Those of the project that the caller reaches; with `include=configuration` each with its configurations. */
  function listComponents(actor: Actor, query: URLSearchParams): Answer {
    const { components, configurations } = actor.project
    const isWhole = query.get('include')?.split(',').includes('configuration')
    return json(
      200,
      components
        .filter(({ id }) => reaches(actor, id))
        .map((one) => ({
          ...one,
          ...(isWhole && { configurations: configurations.filter(({ component }) => component === one.id) }),
        })),
    )
  }

  function component(actor: Actor, id: string): Answer {
    const found = actor.project.components.find((one) => one.id === id)
    if (!found) return notFound('components')
    return reaches(actor, id) ? json(200, found) : accessDenied()
  }

  function configuration(actor: Actor, of: string, id: string): Answer {
    const found = actor.project.configurations.find((one) => one.component === of && one.id === id)
    if (!reaches(actor, of)) return accessDenied()
    return found ? json(200, { id: found.id, name: found.name, configuration: {} }) : notFound('configurations')
  }

  const listBranches = ({ project }: Actor): Answer =>
    json(
      200,
      project.branches.map((branch) => ({ ...branch, created: project.created })),
    )

  const tableView = (bucket: Bucket, table: Bucket['tables'][number]) => ({
    id: `${bucket.id}.${table.name}`,
    name: table.name,
    columns: table.columns,
    rowsCount: table.rows.length,
    uri: `${url}/v2/storage/tables/${bucket.id}.${table.name}`,
  })

  function listBuckets(actor: Actor): Answer {
    const seen = actor.project.buckets.filter((bucket) => bucketRight(actor, bucket) !== 'none')
    return json(
      200,
      seen.map(({ id, name, stage, description }) => ({
        id,
        name,
        stage,
        description,
        backend: 'snowflake',
        uri: `${url}/v2/storage/buckets/${id}`,
      })),
    )
  }

  function listTables(actor: Actor, id: string): Answer {
    const bucket = actor.project.buckets.find((one) => one.id === id)
    if (!bucket) return notFound('buckets')
    if (bucketRight(actor, bucket) === 'none') return accessDenied()
    return json(
      200,
      bucket.tables.map((table) => tableView(bucket, table)),
    )
  }

  /** Reads need `read` on the bucket, adding rows needs `write`; added rows are counted, not kept. */
  function tableData(actor: Actor, id: string, method: string, incoming: Incoming): Answer {
    const bucket = actor.project.buckets.find((one) => one.tables.some((table) => `${one.id}.${table.name}` === id))
    const table = bucket?.tables.find((one) => `${bucket.id}.${one.name}` === id)
    if (!bucket || !table) return notFound('tables')
    const right = bucketRight(actor, bucket)
    if (right === 'none' || (method === 'POST' && right !== 'write')) return accessDenied()
    if (method === 'POST') return json(202, { table: id, receivedBytes: Buffer.byteLength(incoming.body) })
    const csv = [table.columns, ...table.rows].map((row) => row.map((cell) => `"${cell}"`).join(',')).join('\n')
    return { status: 200, headers: { 'content-type': 'text/csv; charset=utf-8' }, body: `${csv}\n` }
  }

  function dispatch(incoming: Incoming, actor: Actor, path: string): Answer {
    const { method, url: address } = incoming
    const [kind, id, sub, more, rest] = path.split('/')
    const event = path === 'tokens/verify' ? 'storage.tokenVerified' : `storage.${kind}.${method.toLowerCase()}`
    if (!(kind === 'tokens' && method !== 'GET')) addEvent(actor, id ?? kind ?? '', event, `${method} ${path}`)
    if (kind === 'components' && id && sub === 'configs' && more && rest === undefined && method === 'GET')
      return configuration(actor, id, more)
    if (more !== undefined) return notFound('routes')
    if (kind === 'tokens' && id && sub === 'refresh' && method === 'POST') return refresh(actor, id)
    if (path === 'tokens/verify' && method === 'GET') return verify(actor)
    if (path === 'tokens' && method === 'POST') return mint(incoming, actor)
    if (path === 'tokens' && method === 'GET') {
      if (!manages(actor)) return accessDenied()
      return json(200, [
        ...(actor.kind === 'admin' ? [actorView(actor)] : []),
        ...store
          .storageTokensOf(actor.project.id)
          .filter(({ master }) => master === undefined)
          .map(tokenView),
      ])
    }
    if (kind === 'tokens' && id && !sub && method === 'GET') return detail(actor, id)
    if (kind === 'tokens' && id && !sub && method === 'DELETE') return remove(actor, id)
    if (kind === 'tokens' && id && sub === 'events' && method === 'GET')
      return tokenEvents(actor, id, address.searchParams)
    if (path === 'buckets' && method === 'GET') return listBuckets(actor)
    if (kind === 'buckets' && id && sub === 'tables' && method === 'GET') return listTables(actor, id)
    if (path === 'components' && method === 'GET') return listComponents(actor, address.searchParams)
    if (path === 'dev-branches' && method === 'GET') return listBranches(actor)
    if (kind === 'components' && id && !sub && method === 'GET') return component(actor, id)
    if (kind === 'tables' && id && sub === 'data-preview' && method === 'GET')
      return tableData(actor, id, method, incoming)
    if (kind === 'tables' && id && sub === 'rows' && method === 'POST') return tableData(actor, id, method, incoming)
    return notFound('routes')
  }

  const part: Part = async (incoming) => {
    const path = /^\/v2\/storage\/(?:branch\/[\w-]+\/)?(.+?)\/?$/.exec(incoming.url.pathname)?.[1]
    if (path === undefined) return undefined
    const actor = authenticate(incoming)
    if (!actor) return invalidToken()
    const sub = actor.kind === 'admin' ? actor.account.sub : store.tokenByHash(actor.token.hash)?.sub
    note(incoming, { account: accountBySub(sub)?.email, project: actor.project.id })
    return dispatch(incoming, actor, decodeURIComponent(path))
  }
  return { part, make }
}

/** `limited` reads one bucket; `manager` may manage tokens beside that, and is no master token all the same. */
export const ownTokens = ['master', 'limited', 'manager'] as const
export type OwnToken = {
  account: Account
  project: Project
  kind: (typeof ownTokens)[number]
  /** Left out: it never ends. */
  expiresInSeconds?: number
}

/** The page of the stack where people make tokens by hand, and are shown their master token. */
export const makeTokenPage =
  (make: (token: OwnToken) => string): Part =>
  async ({ method, url: { pathname }, fields }) => {
    if (pathname !== '/tokens' || (method !== 'GET' && method !== 'POST')) return undefined
    if (method === 'GET') return tokenPage()
    const [email, projectId] = String(fields.whose ?? '').split(' ')
    const account = accountByEmail(email)
    const project = account && projectsOf(account).find(({ id }) => id === projectId)
    const kind = ownTokens.find((one) => one === fields.kind)
    if (!account || !project || !kind) return tokenPage()
    const expiresInSeconds = fields.life === 'hour' ? { expiresInSeconds: 3600 } : {}
    return tokenPage({ project, value: make({ account, project, kind, ...expiresInSeconds }) })
  }
