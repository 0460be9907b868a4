'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, type ReactNode, useState } from 'react'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { ScopeList } from '@/app/_features/scope-list.tsx'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { ConfirmAgain } from '@/app/_ui/confirm-identity.tsx'
import { Select } from '@/app/_ui/field.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { Countdown, Time } from '@/app/_ui/time.tsx'
import type { GrantScope } from '@/lib/actor.ts'
import type { AuthorizationForm } from '@/lib/authserver/answers.ts'
import { type CeilingDrafts, CeilingsPicker, readDrafts, ServerCeiling } from './ceilings.tsx'
import { askedScope, withheldWords } from './words.ts'

type Asked = Omit<AuthorizationForm, 'createdAt' | 'expiresAt'> & { createdAt: string; expiresAt: string }
type Props = { asked: Asked; here: string | null; now: string; footer: ReactNode }
type Answered = 'approved' | 'denied' | 'reported'

/** One form: what a program asks for, what it gets, and the three answers. */
export function Answer({ asked, here, now, footer }: Props) {
  const { id, kind, client: program, chosen, redirectHost } = asked
  const router = useRouter()
  // A press before scripts run would do nothing, and look like an answer.
  const isReady = useHydrated()
  const [answered, setAnswered] = useState<Answered>()
  const [scopes, setScopes] = useState<GrantScope[]>([...(chosen?.scopes ?? [])])
  const [drafts, setDrafts] = useState<CeilingDrafts>({})
  const params = { path: { authorization: id } }
  const { gateway } = asked
  // Of a gateway there is one project, and nothing else to choose.
  const issues = gateway !== null || scopes.includes('tokens:issue')
  const read = readDrafts(issues ? drafts : {}, asked)
  const refusal = refusalOf(asked)
  const todo =
    scopes.length === 0
      ? 'choose what it may do'
      : 'todo' in read
        ? read.todo
        : gateway && Object.keys(read.ceilings).length === 0
          ? 'choose what it may call'
          : null

  const { busy, problem, start } = useAction(async (how: Answered) => {
    const sent =
      how === 'approved'
        ? await send(
            client.POST('/api/v1/authorizations/{authorization}/approval', {
              params,
              body: { tenant: chosen?.slug ?? '', scopes, ceilings: 'ceilings' in read ? read.ceilings : {} },
            }),
          )
        : await send(
            client.POST('/api/v1/authorizations/{authorization}/denial', {
              params,
              body: { not_me: how === 'reported' },
            }),
          )
    if (sent.ok) {
      setAnswered(how)
      if (sent.data.redirect_to) leaveFor(sent.data.redirect_to)
    }
    return sent
  })
  const release = useAction(async () => {
    const sent = await send(client.POST('/api/v1/authorizations/{authorization}/release', { params }))
    if (sent.ok) leaveFor('/device')
    return sent
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (!refusal && !todo) void start('approved')
  }

  if (answered) return <Done how={answered} host={redirectHost} footer={footer} />
  if (asked.state !== 'open') return <Over state={asked.state} kind={kind} footer={footer} />
  return (
    <SignInCard
      wide
      title={
        <>
          Allow <bdi>{program.name}</bdi>?
        </>
      }
      lead="Allow only what you began yourself, just now. Nobody else needs you to do this for them."
      footer={footer}
    >
      <form className="flex min-w-0 flex-col gap-6" onSubmit={submit} noValidate>
        {program.document && <OwnWord document={program.document} redirectHost={redirectHost} />}
        {asked.sameNetwork === false && <OtherNetwork from={asked.address} here={here} />}
        <Facts asked={asked} now={now} />
        {asked.tenants.length > 1 && (
          <Select
            label="Tenant"
            hint="The program gets access in this one alone."
            value={chosen?.slug}
            onChange={(event) => router.replace(`/authorize/${id}?tenant=${event.target.value}`)}
            options={asked.tenants.map(({ slug, name }) => ({ value: slug, label: name }))}
          />
        )}
        {refusal}
        {!refusal && (
          <>
            {asked.signInAgain ? (
              <Notice
                tone="attention"
                title="The program wants you to sign in again"
                next="You can do it now. What you choose here stays."
                action={<ConfirmAgain />}
              />
            ) : (
              <ConfirmFirst />
            )}
            {!gateway && (
              <ScopeList
                label="It may"
                hint="Take away what it does not need. It never does more than your own role allows."
                scopes={(chosen?.scopes ?? []).map(askedScope)}
                value={scopes}
                onChange={(names) => setScopes(names as GrantScope[])}
              />
            )}
            <WithheldScopes withheld={chosen?.withheld ?? []} />
            {gateway?.server && (
              <ServerCeiling
                tenant={chosen?.slug ?? ''}
                asked={asked}
                server={gateway.server}
                value={drafts}
                onChange={setDrafts}
              />
            )}
            {issues && !gateway && (
              <CeilingsPicker tenant={chosen?.slug ?? ''} asked={asked} value={drafts} onChange={setDrafts} />
            )}
          </>
        )}
        <ProblemNotice problem={problem ?? release.problem} />
        <div className="flex flex-col gap-3 border-t pt-4">
          <div className="flex flex-wrap items-center gap-2">
            {!refusal && (
              <Button type="submit" variant="primary" busy={busy} disabled={!isReady || todo !== null}>
                Allow
              </Button>
            )}
            <Button busy={busy} disabled={!isReady} onClick={() => void start('denied')}>
              Deny
            </Button>
            <Button
              variant="ghost"
              className="sm:ml-auto"
              busy={busy}
              disabled={!isReady}
              onClick={() => void start('reported')}
            >
              This was not me
            </Button>
          </div>
          <p aria-live="polite" className="text-[14px] text-muted leading-5 empty:hidden">
            {!refusal && todo && `Still to do: ${todo}.`}
          </p>
          {kind === 'device' && (
            <p className="text-[14px] text-muted leading-5">
              Not the program that you meant?{' '}
              <button
                type="button"
                className="rounded-sm underline underline-offset-4"
                onClick={() => void release.start()}
              >
                Enter another code
              </button>
            </p>
          )}
        </div>
      </form>
    </SignInCard>
  )
}

const isHere = (host: string) => /^(127\.0\.0\.1|\[::1\]|localhost)(:|$)/.test(host)

/** All that is known of a program that nobody registered is where its description stands. */
function OwnWord({ document, redirectHost }: { document: string; redirectHost: string | null }) {
  return (
    <Notice
      tone="attention"
      title="No admin has registered this program"
      meaning={
        <>
          Its name is its own word. All that is known is that its description stands at{' '}
          <span className="wrap-anywhere font-mono text-[13px]">{new URL(document).host}</span>, and anybody can write
          one.
          {redirectHost && isHere(redirectHost)
            ? ' Any program on this computer can pass for it.'
            : redirectHost && (
                <>
                  {' '}
                  The answer leaves this computer for{' '}
                  <span className="wrap-anywhere font-mono text-[13px]">{redirectHost}</span>.
                </>
              )}
        </>
      }
      next="Go on only if you started it yourself a moment ago, and know this host."
    />
  )
}

function OtherNetwork({ from, here }: { from: string | null; here: string | null }) {
  return (
    <Notice
      tone="attention"
      title="It began on another network than yours"
      meaning={
        <>
          The program is at <span className="font-mono text-[13px]">{from}</span>, and you are at{' '}
          <span className="font-mono text-[13px]">{here}</span>.
        </>
      }
      next="That is as it should be for a program on a server or behind a VPN. If it should run on this computer, or somebody gave you the code, choose “This was not me”."
    />
  )
}

function Facts({ asked, now }: { asked: Asked; now: string }) {
  const { client: program, kind, redirectHost, address, agent, createdAt, expiresAt, tenants } = asked
  const [only] = tenants
  return (
    <KeyValue
      items={[
        {
          label: 'Program',
          value: (
            <>
              <bdi className="font-semibold">{program.name}</bdi>{' '}
              <span className="text-muted">
                {program.document ? (
                  'by its own word, registered by nobody'
                ) : program.tenant ? (
                  <>
                    registered by <bdi>{program.tenant}</bdi>
                  </>
                ) : (
                  'part of this Valetkey'
                )}
              </span>
            </>
          ),
        },
        ...(asked.gateway?.server
          ? [
              {
                label: 'MCP server',
                value: (
                  <>
                    <bdi className="font-semibold">{asked.gateway.server.name}</bdi>{' '}
                    <span className="text-muted">{asked.gateway.server.host}, through Valetkey’s gateway</span>
                  </>
                ),
              },
            ]
          : []),
        ...(tenants.length === 1 && only ? [{ label: 'Tenant', value: <bdi>{only.name}</bdi> }] : []),
        ...(redirectHost
          ? [{ label: 'Answer goes to', value: <RedirectHost host={redirectHost} /> }]
          : [{ label: 'Answer goes to', value: 'the program that shows the code' }]),
        {
          label: 'Began',
          value: (
            <>
              <Time at={createdAt} now={now} />
              {address && (
                <>
                  {' '}
                  from <span className="font-mono text-[13px]">{address}</span>
                </>
              )}
            </>
          ),
        },
        ...(kind === 'device' && agent ? [{ label: 'Calls itself', value: <bdi>{agent}</bdi>, mono: true }] : []),
        { label: 'Ends', value: <Countdown until={expiresAt} now={now} lead="in " ended="over: start again" /> },
      ]}
    />
  )
}

/** Numbers of this very computer say nothing to most people (RFC 8252 7.3). */
function RedirectHost({ host }: { host: string }) {
  return (
    <>
      <span className="font-mono text-[13px]">{host}</span>
      {isHere(host) && <span className="text-muted"> on this computer</span>}
    </>
  )
}

/** Why nothing can be allowed in the chosen tenant; null: it can. */
function refusalOf({ chosen, tenants, kind, gateway }: Asked): ReactNode {
  if (gateway && !gateway.server)
    return (
      <Notice
        tone="attention"
        title="This MCP server is not there for you"
        meaning="It is unknown, frozen or not linked by you, and only what you can use yourself can be given on."
        next="Deny, link it on the projects page if you can, and start again in the program."
      />
    )
  if (!chosen)
    return (
      <Notice
        tone="attention"
        title="You are in no tenant"
        meaning="A program gets access in a tenant, and you belong to none."
        next="Ask an owner or admin for an invitation, then start again in the program."
      />
    )
  const tenant = tenants.find(({ slug }) => slug === chosen.slug)
  if (kind === 'device' && tenant?.deviceFlow === 'off')
    return (
      <Notice
        tone="attention"
        title={`${tenant.name} lets no devices in`}
        meaning="An admin has switched it off for this tenant."
        next={tenants.length > 1 ? 'Choose another tenant, or deny.' : 'Deny, and ask an admin if you need it.'}
      />
    )
  if (chosen.frozen)
    return (
      <Notice
        tone="frozen"
        title="An admin has frozen this"
        meaning="You or this program are frozen in the tenant, so nothing can be allowed there."
        next="Nothing was lost. Ask an admin to lift it."
      />
    )
  if (chosen.scopes.length === 0)
    return (
      <Notice
        tone="attention"
        title="Nothing of what it asks for can be given"
        meaning={<WithheldScopes withheld={chosen.withheld} />}
        next="Deny, and ask an admin if you need it."
      />
    )
  return null
}

function WithheldScopes({ withheld }: { withheld: NonNullable<Asked['chosen']>['withheld'] }) {
  if (withheld.length === 0) return null
  return (
    <div className="flex flex-col gap-1 text-[14px] leading-5">
      <p>It also asks for what it does not get:</p>
      <ul className="flex flex-col gap-1">
        {withheld.map(({ scope, because }) => (
          <li key={scope} className="text-muted">
            <code className="font-mono text-[13px] text-ink">{scope}</code> {withheldWords[because]}
          </li>
        ))}
      </ul>
    </div>
  )
}

const done = {
  approved: {
    title: 'Allowed',
    lead: 'You can close this page and go back to your terminal.',
    more: 'You see and end it on the page Devices and apps of the tenant.',
  },
  denied: {
    title: 'Denied',
    lead: 'The program was told so and gets nothing. You can close this page.',
    more: null,
  },
  reported: {
    title: 'Denied and reported',
    lead: 'The program gets nothing, and the admins of your tenants can see that you did not begin this.',
    more: 'Nothing of yours was given away, and you need not change anything. If somebody gave you the code, tell your admins who.',
  },
} as const

function Done({ how, host, footer }: { how: Answered; host: string | null; footer: ReactNode }) {
  const { title, lead, more } = done[how]
  return (
    <SignInCard title={title} lead={host ? `Taking you back to ${host}.` : lead} footer={footer}>
      <p role="status" className="text-muted empty:hidden">
        {more}
      </p>
      <ButtonLink href="/">Go to Valetkey</ButtonLink>
    </SignInCard>
  )
}

const over = {
  approved: { title: 'You allowed this', lead: 'There is nothing more to do here. You can close this page.' },
  denied: { title: 'You denied this', lead: 'The program was told so and gets nothing. You can close this page.' },
  expired: { title: 'The time is over', lead: 'The program no longer waits. Nothing was allowed.' },
} as const

function Over({ state, kind, footer }: Pick<Asked, 'kind'> & { state: keyof typeof over; footer: ReactNode }) {
  const { title, lead } = over[state]
  return (
    <SignInCard title={title} lead={lead} footer={footer}>
      {state === 'expired' && <p>Start again in the program{kind === 'device' ? ' and enter its new code' : ''}.</p>}
      {kind === 'device' ? (
        <ButtonLink href="/device">Enter a code</ButtonLink>
      ) : (
        <ButtonLink href="/">Go to Valetkey</ButtonLink>
      )}
    </SignInCard>
  )
}
