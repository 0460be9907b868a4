'use client'
import Link from 'next/link'
import { useRouter } from 'next/navigation'
import { type FormEvent, useCallback, useEffect, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { Right } from '@/app/_features/rights.tsx'
import { EndNotes } from '@/app/_features/token-end.tsx'
import { plural, strategyWords } from '@/app/_features/words.ts'
import type { Problem } from '@/app/_ui/action.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { Input, Select } from '@/app/_ui/field.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { LifetimePicker, lifetimeError } from '@/app/_ui/lifetime-picker.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SecretOnceDialog, useSecretOnce } from '@/app/_ui/secret-once-dialog.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { IssueOffer } from '@/lib/broker/read/offer.ts'
import { type RightLine, shellQuoted } from '@/lib/providers/kind.ts'
import type { Rights } from '@/lib/providers/provider.ts'
import { OfferReasons } from './offers.tsx'
import { pickerFor } from './pickers/index.ts'
import type { Choices } from './pickers/picker.ts'

export type IssueFormProps = {
  tenant: string
  project: { id: string; name: string; alias: string }
  /** The projects that the person can issue for, this one among them. */
  others: { id: string; name: string }[]
  cap: { seconds: number; setBy: keyof typeof setters }
  /** Whether a token that its upstream lets live longer than the cap is handed out all the same. */
  revokesAtEnd: boolean
  offer: IssueOffer
  /** What stands in the samples where the token belongs. */
  token: string
  /** An earlier token to make another one like. */
  like: { purpose: string; rights: Rights; lifetimeSeconds: number } | null
}

/** What stays on the page after the value has gone. */
type Made = {
  id: string
  fingerprint: string
  expiresAt: string
  revokeAt: string | null
  exclusive: boolean
  /** Whether it lives longer than was asked, without an end of ours. */
  outlives: boolean
  purpose: string
  asked: RightLine[]
  granted: RightLine[]
  notGranted: string[]
}

const shortestSeconds = 60
const setters = {
  project: 'the project',
  provider: 'the provider',
  tenant: 'your tenant',
  person: 'your own limit',
} as const

/** The form that makes a token, its one showing, and what remains. */
export function IssueForm(props: IssueFormProps) {
  const { tenant, project, others, cap, revokesAtEnd, offer, like } = props
  const picker = pickerFor(offer.kind)
  const router = useRouter()
  const choices = useChoices(tenant, project.id)
  const [purpose, setPurpose] = useState(like?.purpose ?? '')
  const [wanted, setWanted] = useState<Rights>(like?.rights ?? picker.none)
  const [seconds, setSeconds] = useState(() => Math.min(like?.lifetimeSeconds ?? 3_600, cap.seconds))
  const [made, setMade] = useState<Made | null>(null)
  const secret = useSecretOnce()
  const rights = choices.state === 'ready' ? picker.stillThere(wanted, choices.choices) : wanted
  const missing = missingWords(purpose, picker.isEmpty(rights), seconds, cap.seconds)

  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/projects/{project}/tokens', {
        params: { path: { tenant, project: project.id } },
        // The client's type names the kinds that it was generated with.
        body: { purpose: purpose.trim(), expires_in: seconds, scopes: rights as never },
      }),
    )
    if (!sent.ok) return sent
    const { token, value } = sent.data
    const facts = {
      id: token.id,
      fingerprint: token.fingerprint ?? '',
      expiresAt: token.expires_at,
      revokeAt: token.revoke_at,
      exclusive: token.exclusive,
      // A minute for the way.
      outlives: !token.revoke_at && Date.parse(token.expires_at) > Date.parse(token.created_at) + (seconds + 60) * 1000,
      purpose: token.purpose,
      asked: token.rights.asked,
      granted: token.rights.granted ?? [],
      notGranted: token.not_granted,
    }
    setMade(facts)
    secret.show({
      value,
      title: `Token for ${project.name}`,
      fingerprint: facts.fingerprint,
      endsAt: facts.revokeAt ?? facts.expiresAt,
      endWord: facts.revokeAt ? 'Revoked' : 'Expires',
      note: (
        <>
          {facts.notGranted.length > 0 && <NotGranted {...facts} />}
          <EndNotes {...facts} endsTokens={offer.endsTokens} />
        </>
      ),
      samples: offer.samples.map((sample) => ({ ...sample, code: (value) => filled(sample.code, props.token, value) })),
    })
    return sent
  })

  function again() {
    setMade(null)
    router.refresh()
  }
  function submit(event: FormEvent) {
    event.preventDefault()
    if (made) return again()
    if (missing || choices.state !== 'ready') return
    // A field that has the focus goes away with the form; the button stays, and gets it back from the dialog.
    if (event.nativeEvent instanceof SubmitEvent) event.nativeEvent.submitter?.focus()
    void start()
  }

  return (
    <>
      <form className="flex max-w-[720px] flex-col gap-6" onSubmit={submit} noValidate>
        {made ? (
          <Result tenant={tenant} made={made} offer={offer} />
        ) : (
          <div className="flex flex-col gap-6 text-[16px] leading-6">
            {others.length > 1 && (
              <Select
                label="Project"
                value={project.id}
                onChange={(event) => router.push(`/t/${tenant}/projects/${event.target.value}/issue`)}
                options={others.map(({ id, name }) => ({ value: id, label: name }))}
              />
            )}
            <Input
              label="Purpose"
              hint={
                offer.strategy === 'mint'
                  ? 'Shown in the lists here and as the token’s description upstream.'
                  : 'Shown in the lists here.'
              }
              placeholder="nightly export"
              maxLength={200}
              required
              autoComplete="off"
              value={purpose}
              onChange={(event) => setPurpose(event.target.value)}
            />
            {choices.state === 'loading' && <ChoicesLoading />}
            {choices.state === 'failed' && (
              <div className="flex flex-col gap-2">
                <p className="font-semibold">Access</p>
                <ProblemNotice
                  problem={{ ...choices.problem, title: `The choices did not load: ${choices.problem.title}` }}
                  action={
                    <Button size="sm" onClick={choices.retry}>
                      Try again
                    </Button>
                  }
                />
              </div>
            )}
            {choices.state === 'ready' && (
              <picker.Pick choices={choices.choices} schema={offer.schema} value={rights} onChange={setWanted} />
            )}
            <LifetimePicker
              valueSeconds={seconds}
              onChange={setSeconds}
              minSeconds={shortestSeconds}
              maxSeconds={cap.seconds}
              cappedBy={setters[cap.setBy]}
            />
            {offer.strategy === 'narrow' && offer.endsTokens && (
              <p className="-mt-4 text-[14px] text-muted leading-5">
                The upstream sets its own end.{' '}
                {revokesAtEnd
                  ? 'If that is later, Valetkey revokes the token at yours.'
                  : 'If that is later, Valetkey revokes the token at yours; if it is beyond the cap, the token is not handed out.'}
              </p>
            )}
            <MadeBy offer={offer} />
            <ProblemNotice problem={problem} />
          </div>
        )}
        <div className="flex flex-wrap items-center gap-2 border-t pt-4">
          {made ? (
            <ButtonLink variant="primary" href={`/t/${tenant}/tokens/${made.id}`}>
              Open the token
            </ButtonLink>
          ) : (
            <ButtonLink href={`/t/${tenant}/projects/${project.id}`}>Cancel</ButtonLink>
          )}
          <Button
            type="submit"
            variant={made ? 'secondary' : 'primary'}
            busy={busy}
            disabled={!made && (missing !== null || choices.state !== 'ready')}
          >
            {made ? 'Issue another' : 'Issue token'}
          </Button>
          <p aria-live="polite" className="text-muted">
            {!made && choices.state === 'ready' && missing}
          </p>
        </div>
      </form>
      <SecretOnceDialog {...secret.dialog} onIssueAgain={again} />
    </>
  )
}

/** How the token will be made, and why not in another way. */
function MadeBy({ offer: { strategy, offers } }: { offer: IssueOffer }) {
  return (
    <div className="flex flex-col gap-1">
      <KeyValue items={[{ label: 'Strategy', value: strategy ? strategyWords[strategy] : 'none' }]} />
      <details>
        <summary className="cursor-pointer text-muted">Why this way</summary>
        <div className="mt-1">
          <OfferReasons offers={offers} />
        </div>
      </details>
    </div>
  )
}

/** What is still to be done before the token can be made. */
function missingWords(purpose: string, isEmpty: boolean, seconds: number, most: number): string | null {
  const parts = [
    purpose.trim() === '' && 'enter a purpose',
    isEmpty && 'choose at least one right',
    lifetimeError(seconds, shortestSeconds, most) && 'choose a lifetime',
  ].filter((part) => typeof part === 'string')
  if (parts.length === 0) return null
  const text = parts.join(', ')
  return `Still to do: ${text}.`
}

/** A sample with its token: as one word of a shell where the sample has it in quotes, else as it is. */
const filled = (code: string, token: string, value: string) =>
  code.replaceAll(shellQuoted(token), () => shellQuoted(value)).replaceAll(token, () => value)

type ChoicesState = { state: 'loading' } | { state: 'ready'; choices: Choices } | { state: 'failed'; problem: Problem }

/** What can be chosen, asked at the upstream when the form opens. */
function useChoices(tenant: string, project: string) {
  const [state, setState] = useState<ChoicesState>({ state: 'loading' })
  const load = useCallback(async () => {
    const params = { path: { tenant, project } }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/projects/{project}/scopes', { params, body: {} }))
    if (!sent.ok) return { state: 'failed' as const, problem: sent.problem }
    return { state: 'ready' as const, choices: sent.data }
  }, [tenant, project])
  useEffect(() => {
    let wanted = true
    void load().then((next) => wanted && setState(next))
    return () => {
      wanted = false
    }
  }, [load])
  const retry = () => {
    setState({ state: 'loading' })
    void load().then(setState)
  }
  return { ...state, retry }
}

function ChoicesLoading() {
  return (
    <div role="status" aria-label="Loading the choices" className="flex flex-col gap-3">
      <p className="font-semibold">Access</p>
      {['first', 'second'].map((group) => (
        <div key={group} className="flex h-44 flex-col gap-3 rounded-lg border bg-surface p-3">
          <SkeletonLine className="h-5 w-1/4" />
          <SkeletonLine className="w-2/3" />
          <SkeletonLine className="w-1/2" />
          <SkeletonLine className="w-3/5" />
        </div>
      ))}
    </div>
  )
}

/** Said where it cannot be missed: the token can do less than was asked (K-22). */
function NotGranted({ asked, granted, notGranted }: Pick<Made, 'asked' | 'granted' | 'notGranted'>) {
  return (
    <Notice
      tone="attention"
      live
      title={`Granted ${granted.length} of ${plural(asked.length, 'right')} that you asked for`}
      meaning={
        <>
          The upstream did not grant{' '}
          {notGranted.map((right, index) => (
            <span key={right}>
              {index > 0 && ', '}
              <code className="wrap-anywhere font-mono text-[13px]">{right}</code>
            </span>
          ))}
          .
        </>
      }
      next="The token works for the other rights. For these, ask for a different role there, or use another account."
    />
  )
}

function Result({ tenant, made, offer }: { tenant: string; made: Made; offer: IssueOffer }) {
  return (
    <div className="flex flex-col gap-6">
      {made.notGranted.length > 0 && <NotGranted {...made} />}
      <Section title="Token issued" lead="The value is no longer available. The details below are kept.">
        <div className="rounded-lg border bg-surface p-4">
          <KeyValue
            items={[
              {
                label: 'Fingerprint',
                mono: true,
                value: (
                  <Link href={`/t/${tenant}/tokens/${made.id}`} className="underline underline-offset-4">
                    {made.fingerprint}
                  </Link>
                ),
              },
              { label: 'Purpose', value: made.purpose },
              { label: 'Granted', value: <RightLines lines={made.granted} /> },
              { label: 'Strategy', value: offer.strategy && strategyWords[offer.strategy] },
              ...(made.revokeAt ? [{ label: 'Revoked', value: <Time at={made.revokeAt} /> }] : []),
              { label: made.revokeAt ? 'Expires upstream' : 'Expires', value: <Time at={made.expiresAt} /> },
              { label: 'State', value: <StateBadge kind="token" state="live" /> },
            ]}
          />
          <div className="mt-3 border-t pt-3 empty:hidden">
            <EndNotes {...made} endsTokens={offer.endsTokens} />
          </div>
        </div>
      </Section>
    </div>
  )
}

function RightLines({ lines }: { lines: RightLine[] }) {
  if (lines.length === 0) return <>nothing</>
  return (
    <ul>
      {lines.map((line) => (
        <li key={line.text}>
          <Right line={line} />
        </li>
      ))}
    </ul>
  )
}
