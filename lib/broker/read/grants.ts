import { type Actor, type GrantScope, ownUnless, requirePermission } from '../../actor.ts'
import { noteRead } from '../../audit/access.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { describeLimit, kinds } from '../../providers/index.ts'
import type { RightLine } from '../../providers/kind.ts'
import { type ReadTx, readTenant } from '../../store/database.ts'
import { frozenGrants } from '../../store/freezes.ts'
import {
  type Ceilings,
  countGrants,
  type EndCause,
  findGrant,
  type GrantFilter,
  type GrantState,
  type GrantWithClient,
  listGrants,
  standingOf,
} from '../../store/grants.ts'
import { projectsWithProviders } from '../../store/projects.ts'
import { lookUp } from '../../store/search.ts'
import type { Given } from '../../store/selections.ts'
import { type FrozenState, toFrozenState } from '../freezes.ts'
import { countLimit, type Page, type PageInput, pageSize, placing, toPage } from './page.ts'

/** What may be issued for a project at most. Null: whatever policy allows; empty: nothing. */
export type CeilingView = {
  project: { id: string; name: string; alias: string }
  /** Tokens of its upstream. */
  rights: RightLine[] | null
  /** Tokens that work through us. */
  proxy: RightLine[] | null
  /** It is an MCP server: no token of its own is handed out, and what works through us goes through its gateway. */
  isGateway: boolean
}

/** What a person gave a program, as people see it. */
export type GrantView = FrozenState & {
  id: string
  ownerId: string
  /** `frozen`: for everybody in this tenant. */
  client: { id: string; name: string; frozen: boolean }
  /** A device runs the instance's own program; everything else is an app. */
  kind: 'device' | 'app'
  via: 'device' | 'code'
  /** What it may do at our API. */
  scopes: GrantScope[]
  /** Of a grant for the gateway of an MCP server: its address; null: for our API. */
  gateway: string | null
  ceilings: CeilingView[]
  /** Of the program, when it began; as it told them. */
  address: string | null
  agent: string | null
  createdAt: Date
  /** In steps of a minute; null: never. */
  lastUsedAt: Date | null
  lastAddress: string | null
  expiresAt: Date | null
  /** When it ends by itself if it is not used before; null: it cannot renew. */
  unusedUntil: Date | null
  state: 'live' | 'frozen' | 'ended'
  /** `expired`: its time was over. `withdrawn`: the program was removed or changed, or the membership ended. */
  cause: EndCause | 'expired' | 'withdrawn' | null
  endedAt: Date | null
  endedBy: string | null
  /** Living tokens that were issued through it. */
  tokens: number
}

/** Grants, newest first; a member's own, everybody's for who oversees the tenant (`everybody`). */
export async function grantPage(
  ctx: Context,
  actor: Actor,
  { everybody = false, order, before, ...filter }: Given<GrantFilter> & PageInput,
): Promise<Page<GrantView>> {
  if (everybody) requirePermission(actor, 'oversee')
  const { place, textOf } = placing<GrantWithClient>({ order, before }, (row, by) =>
    by === 'ends' ? row.expiresAt : row.lastUsedAt,
  )
  const asked = everybody ? filter : { ...filter, userId: actor.userId }
  const page = await readTenant(ctx, actor.tenantId, async (tx) => {
    const named = await lookUp(tx, actor.tenantId, asked)
    const rows = await listGrants(tx, actor.tenantId, named, { ...place, take: pageSize + 1 })
    const counted = await countGrants(tx, actor.tenantId, named, countLimit + 1)
    return toPage(await toGrantViews(ctx, tx, actor, rows), counted, (at) => textOf(rows[at]))
  })
  if (everybody) await noteRead(ctx, actor, 'listGrants', filter.userId)
  return page
}

/** @throws BrokerError not_found, for another member's grant as well unless the viewer oversees the tenant */
export async function readGrant(ctx: Context, actor: Actor, id: string): Promise<GrantView> {
  const of = ownUnless(actor, 'oversee')
  const grant = await readTenant(ctx, actor.tenantId, async (tx) => {
    const row = await findGrant(tx, actor.tenantId, id, of)
    return (await toGrantViews(ctx, tx, actor, row ? [row] : []))[0]
  })
  if (!grant) throw new BrokerError('not_found')
  if (grant.ownerId !== actor.userId) await noteRead(ctx, actor, 'readGrant', id)
  return grant
}

async function toGrantViews(
  ctx: Pick<Context, 'config' | 'now'>,
  tx: ReadTx,
  actor: Actor,
  rows: GrantWithClient[],
): Promise<GrantView[]> {
  const now = ctx.now()
  const ids = rows.map(({ id }) => id)
  const named = [...new Set(rows.flatMap(({ ceilings }) => Object.keys(ceilings as Ceilings)))]
  const projects = await projectsWithProviders(tx, actor.tenantId, named)
  const standing = await standingOf(tx, actor.tenantId, ids, now)
  const facts = await frozenGrants(tx, actor.tenantId, ids)
  return rows.map((row) => {
    const { state = 'revoked', tokens = 0 } = standing.get(row.id) ?? {}
    const stands = state === 'live' || state === 'frozen'
    return {
      id: row.id,
      ownerId: row.userId,
      client: {
        id: row.client.id,
        name: row.client.name,
        frozen: facts.get(row.id)?.some(({ kind }) => kind === 'client') ?? false,
      },
      kind: row.client.tenantId === null ? 'device' : 'app',
      via: row.via as GrantView['via'],
      scopes: row.scopes as GrantScope[],
      gateway: row.resource === null || row.resource === ctx.config.origin ? null : row.resource,
      ceilings: projects.flatMap((project) => {
        const ceilings = row.ceilings as Ceilings
        if (!Object.hasOwn(ceilings, project.id)) return []
        const { rights, proxy } = ceilings[project.id] ?? {}
        const { id, name, alias, provider } = project
        return [
          {
            project: { id, name, alias },
            rights: describeLimit(provider, rights, 'mint'),
            proxy: describeLimit(provider, proxy, 'proxy'),
            isGateway: kinds.get(provider.kind)?.gateway !== undefined,
          },
        ]
      }),
      address: row.address,
      agent: row.agent,
      createdAt: row.createdAt,
      lastUsedAt: row.lastUsedAt,
      lastAddress: row.lastAddress,
      expiresAt: row.expiresAt,
      unusedUntil: row.refreshExpiresAt,
      ...toFrozenState(stands ? facts.get(row.id) : undefined, 'grant', actor),
      state: stands ? state : 'ended',
      cause: stands ? null : causeOf(row, state),
      endedAt: row.endedAt ?? (state === 'ended' ? row.expiresAt : null),
      endedBy: row.endedBy,
      tokens,
    }
  })
}

const causeOf = ({ endCause }: GrantWithClient, state: GrantState): GrantView['cause'] =>
  (endCause as EndCause | null) ?? (state === 'ended' ? 'expired' : 'withdrawn')
