import { type Column, DataTable, type Row } from '@/app/_ui/data-table.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { type Content, drawn } from '@/app/_ui/said.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { GrantView } from '@/lib/broker/read/grants.ts'
import { GrantMenu } from './grant-menu.tsx'
import { personCell } from './person-link.tsx'
import { scopesInShort } from './scope-words.ts'
import { plural } from './words.ts'

export type GrantTableView = {
  tenant: string
  grants: GrantView[]
  now: string
  /** Names of people by id; with it the table has an owner column. */
  owners?: Map<string, string>
}

/** What the viewer may do with the rows. */
type Acts = { viewerId: string; mayWork: boolean; mayAdminister: boolean }

/** What a device or app is called in a question: its program, and whence it came. */
export const grantName = ({ client, address }: Pick<GrantView, 'client' | 'address'>): string =>
  address ? `${client.name} from ${address}` : client.name

export const stands = ({ state }: Pick<GrantView, 'state'>): boolean => state !== 'ended'

const grantState = ({ state, cause }: Pick<GrantView, 'state' | 'cause'>) =>
  ({ kind: 'grant', state: state === 'ended' && cause !== 'expired' ? 'revoked' : state }) as const

export const GrantBadge = ({ grant }: { grant: Pick<GrantView, 'state' | 'cause'> }) => (
  <StateBadge {...grantState(grant)} />
)

/** Columns of a list of devices and apps. */
export const grantColumns = ({ owners }: Pick<GrantTableView, 'owners'>): Column[] => [
  { key: 'program', header: 'Program' },
  ...(owners ? [{ key: 'owner', header: 'Owner' }] : []),
  { key: 'from', header: 'Signed in from' },
  { key: 'may', header: 'May', fold: true },
  { key: 'issues', header: 'Issues for', width: 'w-28', fold: true },
  { key: 'made', header: 'Signed in', width: 'w-24', fold: true },
  { key: 'used', header: 'Last used', width: 'w-26' },
  { key: 'ends', header: 'Ends', width: 'w-26', fold: true },
  { key: 'state', header: 'State', width: 'w-27' },
]

/** The cells of a device or app that every list shows. */
export function grantRow({ tenant, now, owners }: Omit<GrantTableView, 'grants'>, grant: GrantView): Row {
  const { id, client, kind, scopes, ceilings, tokens, gateway } = grant
  const owner = owners?.get(grant.ownerId) ?? 'former member'
  return {
    id,
    label: `${grantName(grant)}${owners ? ` of ${owner}` : ''}`,
    fixed: !stands(grant),
    cells: {
      program: { says: 'title', text: client.name, href: `/t/${tenant}/devices/${id}`, kind },
      ...(owners && { owner: personCell({ tenant, id: grant.ownerId, name: owners.get(grant.ownerId) }) }),
      from: (
        <span className="flex min-w-0 flex-col">
          <span className="wrap-anywhere">{grant.address ?? 'not known'}</span>
          {grant.agent && <span className="truncate text-[13px] text-muted">{grant.agent}</span>}
        </span>
      ),
      may: gateway ? <Name text={`use ${ceilings[0]?.project.name ?? 'an MCP server'}`} /> : <MayDo scopes={scopes} />,
      issues: (
        <span title={ceilings.map(({ project }) => project.name).join('\n') || undefined}>
          {ceilings.length > 0 && !gateway ? (
            plural(ceilings.length, 'project')
          ) : (
            <span className="text-muted">no project</span>
          )}
          {tokens > 0 && <span className="block text-[13px] text-muted">{plural(tokens, 'live token')}</span>}
        </span>
      ),
      made: { says: 'time', at: grant.createdAt.toISOString() },
      used: lastUsed(grant),
      ends: ends(grant, now),
      state: { says: 'state', ...grantState(grant) },
    },
  }
}

/** The first two; all of them are on its own page. */
function MayDo({ scopes }: Pick<GrantView, 'scopes'>) {
  if (scopes.length === 0) return <span className="text-muted">nothing</span>
  const more = scopes.length - 2
  return (
    <span title={scopesInShort(scopes)}>
      {scopesInShort(scopes.slice(0, 2))}
      {more > 0 && ` and ${more} more`}
    </span>
  )
}

const lastUsed = ({ lastUsedAt }: Pick<GrantView, 'lastUsedAt'>): Content =>
  lastUsedAt ? { says: 'time', at: lastUsedAt.toISOString() } : <span className="text-muted italic">never</span>

export const LastUsed = ({ grant, now }: { grant: Pick<GrantView, 'lastUsedAt'>; now: string }) =>
  drawn(lastUsed(grant), now)

function ends(grant: GrantView, now: string): Content {
  const at = stands(grant) ? grant.expiresAt : grant.endedAt
  if (!at) return <span className="text-muted">{stands(grant) ? 'when revoked' : 'not recorded'}</span>
  if (stands(grant)) return { says: 'until', at: at.toISOString() }
  return (
    <span className="text-muted">
      <Time at={at.toISOString()} now={now} hint="hover" />
    </span>
  )
}

/** A list of devices and apps, each with its menu. */
export function GrantTable({ viewerId, mayWork, mayAdminister, ...view }: GrantTableView & Acts & { caption: string }) {
  const { tenant, grants, caption, owners, now } = view
  return (
    <DataTable
      caption={caption}
      now={now}
      columns={[...grantColumns(view), { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-14' }]}
      rows={grants.map((grant) => {
        const row = grantRow(view, grant)
        const acts = (
          <GrantMenu
            key={grant.id}
            tenant={tenant}
            grant={grantRef(grant, owners?.get(grant.ownerId))}
            freezable={stands(grant) && mayAdminister}
            revocable={stands(grant) && ((grant.ownerId === viewerId && mayWork) || mayAdminister)}
          />
        )
        return { ...row, cells: { ...row.cells, acts } }
      })}
    />
  )
}

/** As menus and questions name it. */
export const grantRef = (grant: GrantView, owner?: string) => ({
  id: grant.id,
  name: grantName(grant),
  kind: grant.kind,
  tokens: grant.tokens,
  frozen: grant.frozenItself,
  owner,
})
