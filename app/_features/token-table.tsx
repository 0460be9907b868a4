import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { TokenView } from '@/lib/broker/read/token.ts'
import { personCell } from './person-link.tsx'
import { TokenMenu } from './token-menu.tsx'
import { lastUseWords, rightsInShort } from './words.ts'

export type TokenTableView = {
  tenant: string
  tokens: TokenView[]
  now: string
  /** Names of people by id; with it the table has an owner column. */
  owners?: Map<string, string>
  /** The table of one project needs no project column. */
  inProject?: boolean
}

/** What the viewer may do with the rows. */
type Acts = { viewerId: string; mayWork: boolean; mayAdminister: boolean }

/** "vk…" stands for the value that nobody can show again. */
export const tokenName = ({ fingerprint }: Pick<TokenView, 'fingerprint'>): string => fingerprint ?? 'no fingerprint'

export const isLive = ({ state }: Pick<TokenView, 'state'>): boolean => state === 'live' || state === 'issuing'

/** How a token stands: a freeze is shown over its state. */
const tokenState = ({ state, frozen }: Pick<TokenView, 'state' | 'frozen'>) =>
  ({ kind: 'token', state: frozen ? 'frozen' : state }) as const

export const TokenBadge = ({ token }: { token: Pick<TokenView, 'state' | 'frozen'> }) => (
  <StateBadge {...tokenState(token)} />
)

/** Columns of a list of tokens. */
export function tokenColumns({ owners, inProject }: Pick<TokenTableView, 'owners' | 'inProject'>): Column[] {
  return [
    { key: 'fingerprint', header: 'Fingerprint', mono: true, width: 'w-32' },
    ...(owners ? [{ key: 'owner', header: 'Owner' }] : []),
    ...(inProject ? [] : [{ key: 'project', header: 'Project', fold: Boolean(owners) }]),
    { key: 'purpose', header: 'Purpose' },
    { key: 'scopes', header: 'Rights', width: 'w-36', fold: true },
    { key: 'made', header: 'Created', width: 'w-22', fold: true },
    { key: 'used', header: 'Last used', width: 'w-28', fold: true },
    { key: 'ends', header: 'Expires', width: 'w-28' },
    { key: 'state', header: 'State', width: 'w-27' },
  ]
}

/** The cells of a token that every list shows. */
export function tokenRow({ tenant, now, owners }: Omit<TokenTableView, 'tokens'>, token: TokenView): Row {
  const { id, purpose, project } = token
  const rights = token.rights.granted ?? token.rights.asked
  return {
    id,
    label: `${tokenName(token)}, ${purpose}`,
    cells: {
      fingerprint: { says: 'title', text: tokenName(token), href: `/t/${tenant}/tokens/${id}` },
      ...(owners && { owner: personCell({ tenant, id: token.ownerId, name: owners.get(token.ownerId) }) }),
      project: { says: 'name', text: project.name },
      purpose: { says: 'name', text: purpose },
      scopes: (
        <span title={rights.map(({ text }) => text).join('\n')}>
          {rightsInShort(token.rights)}
          {token.notGranted.length > 0 && (
            <span className="block text-attention">{token.notGranted.length} not granted</span>
          )}
        </span>
      ),
      made: { says: 'time', at: token.createdAt.toISOString() },
      used: token.lastUsedAt ? (
        { says: 'time', at: token.lastUsedAt.toISOString() }
      ) : (
        <span className="whitespace-nowrap text-muted italic">{lastUseWords(token)}</span>
      ),
      ends: isLive(token) ? (
        { says: 'until', at: (token.revokeAt ?? token.expiresAt).toISOString() }
      ) : (
        <Ended token={token} now={now} />
      ),
      state: { says: 'state', ...tokenState(token) },
    },
  }
}

/** When a token ended. A revoked one that the upstream was not seen to refuse may work on: until when at most. */
function Ended({ token, now }: { token: TokenView; now: string }) {
  const { state, expiresAt, revocation } = token
  if (state === 'failed') return <span className="text-muted">never issued</span>
  const ended = state === 'revoked' ? revocation?.blockedAt : expiresAt
  const latest = state === 'revoked' ? revocation?.latestMoment : undefined
  return (
    <span className="flex flex-col text-muted max-md:items-end">
      {ended && <Time at={ended.toISOString()} now={now} hint="hover" />}
      {latest === 'unknown' && <span>expiry upstream unknown</span>}
      {latest instanceof Date && latest > new Date(now) && (
        <span>
          expires upstream <Time at={latest.toISOString()} now={now} hint="hover" />
        </span>
      )}
    </span>
  )
}

/** A list of tokens, each with its menu. */
export function TokenTable({ viewerId, mayWork, mayAdminister, ...view }: TokenTableView & Acts & { caption: string }) {
  const { tenant, tokens, caption, now } = view
  return (
    <DataTable
      caption={caption}
      now={now}
      columns={[...tokenColumns(view), { key: 'acts', header: 'Actions', quiet: true, align: 'end', width: 'w-14' }]}
      rows={tokens.map((token) => {
        const own = token.ownerId === viewerId
        const row = tokenRow(view, token)
        const acts = (
          <TokenMenu
            key={token.id}
            tenant={tenant}
            token={{
              id: token.id,
              name: tokenName(token),
              purpose: token.purpose,
              strategy: token.strategy,
              offline: token.offline,
              endsAlone: token.endsAlone,
              endsWithGrant: token.endsWithGrant,
            }}
            again={
              own && mayWork && !token.project.isRemoved
                ? `/t/${tenant}/projects/${token.project.id}/issue?like=${token.id}`
                : undefined
            }
            revocable={isLive(token) && ((own && mayWork) || mayAdminister)}
          />
        )
        return { ...row, cells: { ...row.cells, acts } }
      })}
    />
  )
}
