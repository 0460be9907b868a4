import Link from 'next/link'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { DataTable } from '@/app/_ui/data-table.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { TokenView } from '@/lib/broker/token-view.ts'
import { TokenMenu } from './token-menu.tsx'
import { lastUseWords, scopesInFull, scopesInShort } from './words.ts'

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

/** Columns of a list of tokens (experience.md 10). */
export function tokenColumns({ owners, inProject }: Pick<TokenTableView, 'owners' | 'inProject'>): Column[] {
  return [
    { key: 'fingerprint', header: 'Fingerprint', mono: true },
    ...(owners ? [{ key: 'owner', header: 'Owner', truncate: true }] : []),
    ...(inProject ? [] : [{ key: 'project', header: 'Project', truncate: true }]),
    { key: 'purpose', header: 'Purpose', truncate: true },
    { key: 'scopes', header: 'Scopes' },
    { key: 'made', header: 'Made' },
    { key: 'used', header: 'Last used' },
    { key: 'ends', header: 'Ends' },
    { key: 'state', header: 'State' },
  ]
}

/** The cells of a token that every list shows. */
export function tokenRow({ tenant, now, owners }: Omit<TokenTableView, 'tokens'>, token: TokenView): Row {
  const { id, purpose, project } = token
  const scopes = token.granted ?? token.asked
  const owner = owners?.get(token.ownerId) ?? 'former member'
  return {
    id,
    label: `${tokenName(token)}, ${purpose}`,
    cells: {
      fingerprint: (
        <Link href={`/t/${tenant}/tokens/${id}`} className="rounded-sm underline underline-offset-4">
          {tokenName(token)}
        </Link>
      ),
      owner: <span title={owner}>{owner}</span>,
      project: <span title={project.name}>{project.name}</span>,
      purpose: <span title={purpose}>{purpose}</span>,
      scopes: (
        <span title={scopesInFull(scopes).join('\n')} className="whitespace-nowrap">
          {scopesInShort(scopes)}
          {token.notGranted.length > 0 && (
            <span className="text-attention"> · {token.notGranted.length} not granted</span>
          )}
        </span>
      ),
      made: <Time at={token.createdAt.toISOString()} now={now} hint="hover" />,
      used: token.lastUsedAt ? (
        <Time at={token.lastUsedAt.toISOString()} now={now} hint="hover" />
      ) : (
        <span className="whitespace-nowrap text-muted italic">{lastUseWords}</span>
      ),
      ends: isLive(token) ? (
        <Countdown until={token.expiresAt.toISOString()} now={now} />
      ) : (
        <span className="text-muted">
          <Time at={token.expiresAt.toISOString()} now={now} hint="hover" />
        </span>
      ),
      state: <StateBadge kind="token" state={token.state} />,
    },
  }
}

/** A list of tokens, each with its menu. */
export function TokenTable({ viewerId, mayWork, mayAdminister, ...view }: TokenTableView & Acts & { caption: string }) {
  const { tenant, tokens, caption } = view
  return (
    <DataTable
      caption={caption}
      columns={[...tokenColumns(view), { key: 'acts', header: 'Actions', quiet: true, align: 'end' }]}
      rows={tokens.map((token) => {
        const own = token.ownerId === viewerId
        const row = tokenRow(view, token)
        const acts = (
          <TokenMenu
            key={token.id}
            tenant={tenant}
            token={{ id: token.id, name: tokenName(token), purpose: token.purpose }}
            again={own && mayWork ? `/t/${tenant}/projects/${token.project.id}/issue?like=${token.id}` : undefined}
            revocable={isLive(token) && ((own && mayWork) || mayAdminister)}
          />
        )
        return { ...row, cells: { ...row.cells, acts } }
      })}
    />
  )
}
