import Link from 'next/link'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { TokenView } from '@/lib/broker/read/token.ts'
import { PersonLink } from './person-link.tsx'
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
export const TokenBadge = ({ token: { state, frozen } }: { token: Pick<TokenView, 'state' | 'frozen'> }) => (
  <StateBadge kind="token" state={frozen ? 'frozen' : state} />
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
      fingerprint: (
        <Link href={`/t/${tenant}/tokens/${id}`} className="rounded-sm underline underline-offset-4">
          {tokenName(token)}
        </Link>
      ),
      owner: <PersonLink tenant={tenant} id={token.ownerId} name={owners?.get(token.ownerId)} />,
      project: <Name text={project.name} />,
      purpose: <Name text={purpose} />,
      scopes: (
        <span title={rights.map(({ text }) => text).join('\n')}>
          {rightsInShort(token.rights)}
          {token.notGranted.length > 0 && (
            <span className="block text-attention">{token.notGranted.length} not granted</span>
          )}
        </span>
      ),
      made: <Time at={token.createdAt.toISOString()} now={now} hint="hover" />,
      used: token.lastUsedAt ? (
        <Time at={token.lastUsedAt.toISOString()} now={now} hint="hover" />
      ) : (
        <span className="whitespace-nowrap text-muted italic">{lastUseWords(token)}</span>
      ),
      ends: <Ends token={token} now={now} />,
      state: <TokenBadge token={token} />,
    },
  }
}

/** When a token ends or ended. A revoked one that the upstream was not seen to refuse may work on: until when at most. */
function Ends({ token, now }: { token: TokenView; now: string }) {
  const { state, expiresAt, revokeAt, revocation } = token
  if (isLive(token)) return <Countdown until={(revokeAt ?? expiresAt).toISOString()} now={now} />
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
  const { tenant, tokens, caption } = view
  return (
    <DataTable
      caption={caption}
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
