import { Cable, KeyRound, type LucideIcon, MonitorSmartphone, UserRound } from 'lucide-react'
import type { ReactNode } from 'react'
import Link from '@/app/_ui/link.tsx'
import { Name } from '@/app/_ui/name.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Countdown } from '@/app/_ui/time.tsx'
import type { Branch, PersonView } from '@/lib/broker/read/person.ts'
import { ConnectionActs } from './disconnect.tsx'
import { GrantMenu } from './grant-menu.tsx'
import { GrantBadge, grantName, grantRef } from './grant-table.tsx'
import { TokenMenu } from './token-menu.tsx'
import { isLive, TokenBadge, tokenName } from './token-table.tsx'
import { plural, projectsName, shownState } from './words.ts'

type Props = { tenant: string; person: PersonView; now: string; mayRevoke: boolean; mayFreeze: boolean }

/**
 * What hangs below what: person, connection, token; person, program, token. A list in lists, which is read out as one; ending a
 * node takes what hangs below it.
 */
export function Lineage({ tenant, person, now, mayRevoke, mayFreeze }: Props) {
  const { connections, grants, others } = person
  const owner = person.email ?? person.name
  const tokens = (branch: Branch, moreHref: string) => (
    <Tokens tenant={tenant} branch={branch} now={now} mayRevoke={mayRevoke} moreHref={moreHref} />
  )
  const empty = connections.length + grants.length + others.total === 0
  return (
    <ul aria-label={`What ${owner} holds, and what hangs below what`} className="rounded-lg border bg-surface p-4">
      <Node icon={UserRound} title={<Name text={owner} />} note={empty ? 'holds nothing here' : undefined}>
        {!empty && (
          <ul className={branchLook}>
            {connections.map((connection) => (
              <Node
                key={connection.id}
                icon={Cable}
                title={
                  <NodeLink href={`/t/${tenant}/connections/${connection.id}`}>{projectsName(connection)}</NodeLink>
                }
                note={`connection at ${connection.provider.name} as ${connection.accountName}`}
                badge={<StateBadge kind="connection" state={shownState(connection)} />}
                act={
                  mayRevoke && (
                    <ConnectionActs
                      tenant={tenant}
                      connection={{
                        id: connection.id,
                        name: projectsName(connection),
                        owner,
                        account: connection.accountName,
                      }}
                      tokens={connection.beneath}
                      frozen={connection.frozenItself}
                      freezable={mayFreeze}
                    />
                  )
                }
              >
                {tokens(connection.beneath, `/t/${tenant}/connections/${connection.id}`)}
              </Node>
            ))}
            {grants.map((grant) => (
              <Node
                key={grant.id}
                icon={MonitorSmartphone}
                title={<NodeLink href={`/t/${tenant}/devices/${grant.id}`}>{grantName(grant)}</NodeLink>}
                note={grant.kind}
                badge={<GrantBadge grant={grant} />}
                act={
                  mayRevoke && (
                    <GrantMenu tenant={tenant} grant={grantRef(grant, owner)} revocable freezable={mayFreeze} />
                  )
                }
              >
                {tokens(grant.beneath, `/t/${tenant}/devices/${grant.id}`)}
              </Node>
            ))}
            {others.total > 0 && (
              <Node icon={KeyRound} title="Without a connection" note="for your tenant’s own APIs">
                {tokens(others, `/t/${tenant}/admin/revocation?person=${person.userId}`)}
              </Node>
            )}
          </ul>
        )}
      </Node>
    </ul>
  )
}

const branchLook = 'mt-2 ml-2 flex flex-col gap-2 border-l pl-4 max-sm:ml-1 max-sm:pl-3'

type NodeProps = {
  icon: LucideIcon
  title: ReactNode
  note?: ReactNode
  badge?: ReactNode
  act?: ReactNode
  children?: ReactNode
}

function Node({ icon: Icon, title, note, badge, act, children }: NodeProps) {
  return (
    <li>
      <div className="flex min-h-8 flex-wrap items-center gap-x-3 gap-y-1">
        <Icon aria-hidden className="size-4 shrink-0 text-muted" />
        <span className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-2">
          <span className="wrap-anywhere min-w-0 font-semibold">{title}</span>
          {note && <span className="wrap-anywhere min-w-0 text-[13px] text-muted">{note}</span>}
        </span>
        {badge}
        {act}
      </div>
      {children}
    </li>
  )
}

const NodeLink = ({ href, children }: { href: string; children: ReactNode }) => (
  <Link href={href} className="rounded-sm underline underline-offset-4">
    {children}
  </Link>
)

type TokensProps = Pick<Props, 'tenant' | 'now' | 'mayRevoke'> & { branch: Branch; moreHref: string }

function Tokens({ tenant, branch: { tokens, total, totalIsCapped }, now, mayRevoke, moreHref }: TokensProps) {
  if (total === 0) return null
  const more = total - tokens.length
  return (
    <ul className={branchLook}>
      {tokens.map((token) => (
        <Node
          key={token.id}
          icon={KeyRound}
          title={
            <NodeLink href={`/t/${tenant}/tokens/${token.id}`}>
              <code className="font-mono font-normal text-[13px]">{tokenName(token)}</code>
            </NodeLink>
          }
          note={
            <>
              {token.purpose} · {token.project.name}
              {token.program && ` · through ${token.program.name}`} · ends{' '}
              <Countdown until={(token.revokeAt ?? token.expiresAt).toISOString()} now={now} />
            </>
          }
          badge={<TokenBadge token={token} />}
          act={
            <TokenMenu
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
              revocable={mayRevoke && isLive(token)}
            />
          }
        />
      ))}
      {more > 0 && (
        <li>
          <Link href={moreHref} className="rounded-sm text-muted underline underline-offset-4">
            Show {totalIsCapped ? 'all live tokens' : plural(more, 'more live token')}
          </Link>
        </li>
      )}
    </ul>
  )
}
