import type { Metadata } from 'next'
import { cache } from 'react'
import { orNotFound } from '@/app/_features/guard.tsx'
import { FrozenNotice, NextAct } from '@/app/_features/health.tsx'
import { Right } from '@/app/_features/rights.tsx'
import { BothEnds, exclusiveWords } from '@/app/_features/token-end.tsx'
import { RevokeButton } from '@/app/_features/token-menu.tsx'
import { isLive, TokenBadge, tokenName } from '@/app/_features/token-table.tsx'
import { ToolUse } from '@/app/_features/tool-use.tsx'
import { truths } from '@/app/_features/truths.tsx'
import { UseSection } from '@/app/_features/use.tsx'
import { failureWords, lastUseWords, strategyText, tokenFrozenWords } from '@/app/_features/words.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { Copied } from '@/app/_ui/copied.tsx'
import { KeyValue, type KeyValueItem } from '@/app/_ui/key-value.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import { may } from '@/lib/actor.ts'
import { gatewayUrl, proxyUrl } from '@/lib/broker/proxy-url.ts'
import { peopleNames } from '@/lib/broker/read/people.ts'
import type { TokenView } from '@/lib/broker/read/token.ts'
import { readToken } from '@/lib/broker/read/token.ts'
import { toolsUsedBy } from '@/lib/broker/read/tools.ts'
import { tokenUse } from '@/lib/broker/read/use.ts'
import { requireMember } from '@/lib/http/page.ts'
import type { RightLine } from '@/lib/providers/kind.ts'

type Props = { params: Promise<{ tenant: string; token: string }> }

const load = cache(async (tenant: string, id: string) => {
  const member = await requireMember(tenant)
  return { ...member, token: await orNotFound(readToken(member.ctx, member.actor, id)) }
})

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { tenant, token: id } = await params
  const { token } = await load(tenant, id)
  return { title: `Token ${tokenName(token)}` }
}

export default async function TokenPage({ params }: Props) {
  const { tenant, token: id } = await params
  const { ctx, actor, token } = await load(tenant, id)
  const isOurs = token.strategy === 'proxy'
  const [names, use, calls] = await Promise.all([
    peopleNames(ctx, actor.tenantId, [token.ownerId, token.frozen?.by, token.revokedBy]),
    isOurs && token.state !== 'failed' ? orNotFound(tokenUse(ctx, actor, id)) : null,
    token.atGateway ? toolsUsedBy(ctx, actor, { projectId: token.project.id, holderId: token.id }) : [],
  ])
  const now = ctx.now().toISOString()
  const nameOf = (user: string) => (user === actor.userId ? 'you' : (names.get(user) ?? 'a former member'))
  const own = token.ownerId === actor.userId
  const revocable = isLive(token) && ((own && may(actor, 'work')) || may(actor, 'administer'))
  return (
    <>
      <PageHeader
        trail={[{ label: 'Tokens', href: `/t/${tenant}/tokens` }]}
        title={`Token ${tokenName(token)}`}
        lead={token.purpose}
        badge={<TokenBadge token={token} />}
        actions={
          <>
            {own && may(actor, 'work') && !token.project.isRemoved && (
              <ButtonLink href={`/t/${tenant}/projects/${token.project.id}/issue?like=${token.id}`}>
                Issue again
              </ButtonLink>
            )}
            {revocable && (
              <RevokeButton
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
              />
            )}
          </>
        }
      />
      {token.frozen && (
        <FrozenNotice
          frozen={token.frozen}
          now={now}
          what={tokenFrozenWords[token.frozen.kind]}
          by={token.frozen.by && nameOf(token.frozen.by)}
          act={
            <NextAct
              tenant={tenant}
              projectId={token.project.id}
              providerId={token.provider.id}
              connection={null}
              frozen={token.frozen}
              own={own}
              mayWork={may(actor, 'work')}
              mayAdminister={may(actor, 'administer')}
            />
          }
        />
      )}
      {token.failure && token.state === 'failed' && (
        <Notice tone="error" title="No token was handed out" meaning={failureWords(token.failure)} />
      )}
      {token.state === 'issuing' && (
        <Notice
          tone="attention"
          title="Not confirmed by the upstream"
          meaning="We are checking whether the upstream created it. If so, it is deleted there. Nobody received the value."
        />
      )}
      {token.revocation && (
        <Section title="Revocation">
          <div className="rounded-lg border bg-surface p-4">
            <KeyValue
              items={truths(token.revocation, now, token.revokedBy && nameOf(token.revokedBy), token.strategy)}
            />
          </div>
        </Section>
      )}
      <div className="grid gap-6 md:grid-cols-2">
        <Section title="Facts">
          <div className="rounded-lg border bg-surface p-4">
            <KeyValue
              items={[
                { label: 'Owner', value: nameOf(token.ownerId) },
                {
                  label: 'Project',
                  value: token.project.isRemoved ? (
                    `${token.project.name}, removed`
                  ) : (
                    <Link
                      href={`/t/${tenant}/projects/${token.project.id}`}
                      className="rounded-sm underline underline-offset-4"
                    >
                      {token.project.name}
                    </Link>
                  ),
                },
                { label: 'Provider', value: token.provider.name },
                ...(token.program
                  ? [
                      {
                        label: 'Issued through',
                        value: token.program.grantId ? (
                          <Link
                            href={`/t/${tenant}/devices/${token.program.grantId}`}
                            className="rounded-sm underline underline-offset-4"
                          >
                            {token.program.name}
                          </Link>
                        ) : (
                          token.program.name
                        ),
                      },
                    ]
                  : []),
                { label: 'Purpose', value: token.purpose },
                { label: 'Strategy', value: strategyText(token.strategy, token.atGateway) },
                ...(isOurs
                  ? [
                      {
                        label: 'Address',
                        value: (
                          <Copied
                            label="Copy the address"
                            text={(token.atGateway ? gatewayUrl : proxyUrl)(ctx.config, {
                              slug: tenant,
                              project: token.project.alias,
                            })}
                          />
                        ),
                      },
                    ]
                  : []),
                ...(token.dpopJkt === null ? [] : [{ label: 'Bound to a key', value: token.dpopJkt, mono: true }]),
                ...(token.strategy === 'sign'
                  ? [
                      {
                        label: 'Verified',
                        value: token.offline ? 'by its signature, without Valetkey' : 'by asking Valetkey',
                      },
                    ]
                  : []),
                { label: 'Created', value: <Time at={token.createdAt.toISOString()} now={now} /> },
                ...endFacts(token, now),
                {
                  label: 'Last used',
                  value: token.lastUsedAt ? (
                    <Time at={token.lastUsedAt.toISOString()} now={now} />
                  ) : (
                    <em>{lastUseWords(token)}</em>
                  ),
                },
              ]}
            />
          </div>
        </Section>
        <Section title="Rights">{isOurs ? <OwnRules token={token} /> : <Rights token={token} />}</Section>
      </div>
      {use && (
        <UseSection
          use={use}
          now={now}
          unused="Nobody has sent a request with this token."
          lead={`Requests that came through ${token.atGateway ? 'the gateway' : 'Valetkey'} with this token. What was refused here never reached the upstream.`}
        />
      )}
      {use && <ToolUse uses={calls} days={use.days.length} />}
    </>
  )
}

/** When it ends or ended; of a revoked one, also what its end would have been. */
function endFacts(token: TokenView, now: string): KeyValueItem[] {
  const { state, expiresAt, revokeAt, exclusive, revocation, endsAlone, endsWithGrant } = token
  const exact = <Time at={expiresAt.toISOString()} form="exact" />
  if (isLive(token))
    return [
      {
        label: revokeAt ? 'Ends' : 'Expires',
        value: (
          <>
            <Countdown until={(revokeAt ?? expiresAt).toISOString()} now={now} /> ·{' '}
            {revokeAt ? <BothEnds revokeAt={revokeAt.toISOString()} expiresAt={expiresAt.toISOString()} /> : exact}
          </>
        ),
      },
      ...(endsAlone || token.offline ? [] : [{ label: 'Ends early', value: notAlone(endsWithGrant) }]),
      ...(exclusive ? [{ label: exclusiveWords.title, value: exclusiveWords.meaning }] : []),
    ]
  if (state === 'failed') return [{ label: 'Expired', value: 'never issued: no value was handed out' }]
  if (state !== 'revoked' || !revocation) return [{ label: 'Expired', value: exact }]
  return [
    { label: 'Revoked', value: <Time at={revocation.blockedAt.toISOString()} form="exact" /> },
    { label: 'Original expiry', value: exact },
  ]
}

const notAlone = (endsWithGrant: boolean) =>
  endsWithGrant ? 'only with its connection: it cannot be revoked alone' : 'never: it cannot be revoked alone'

/** The rules of a token of our own: nobody else grants them, so they are what was asked. */
function OwnRules({ token }: { token: TokenView }) {
  return (
    <div className="flex flex-col gap-2 rounded-lg border bg-surface p-4">
      <p className="text-muted">Through {token.atGateway ? 'the gateway' : 'Valetkey'} it may:</p>
      <ul className="flex flex-col gap-1">
        {(token.rights.granted ?? token.rights.asked).map((line) => (
          <li key={line.text}>
            <Right line={line} />
          </li>
        ))}
      </ul>
      <p className="border-t pt-2 text-[13px] text-muted">
        Everything else is refused here and never reaches {token.provider.name}.
      </p>
    </div>
  )
}

/** What was asked beside what was granted, from what came back. */
function Rights({ token }: { token: TokenView }) {
  const { asked, granted } = token.rights
  const isIn = (lines: RightLine[], { text }: RightLine) => lines.some((line) => line.text === text)
  const more = (granted ?? []).filter((line) => !isIn(asked, line))
  return (
    <div className="flex flex-col gap-3 rounded-lg border bg-surface p-4">
      {token.notGranted.length > 0 && (
        <p className="text-attention">
          {token.notGranted.length} of {asked.length} requested rights were not granted.
        </p>
      )}
      <table className="w-full text-left">
        <caption className="sr-only">Requested and granted rights</caption>
        <thead className="text-[13px] text-muted">
          <tr>
            <th scope="col" className="pb-1 font-normal">
              Requested
            </th>
            <th scope="col" className="pb-1 text-right font-normal">
              Granted
            </th>
          </tr>
        </thead>
        <tbody>
          {[...asked, ...more].map((line) => (
            <tr key={line.text} className="border-t">
              <th scope="row" className="py-1.5 pr-3 font-normal">
                <Right line={line} />
                {more.includes(line) && <span className="text-muted"> (not requested)</span>}
              </th>
              <td className="whitespace-nowrap py-1.5 text-right">
                {granted === null ? 'unknown' : isIn(granted, line) ? 'yes' : <strong>no</strong>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
