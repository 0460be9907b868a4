'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useId, useState, useTransition } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { tokenCommands } from '@/app/_features/commands.ts'
import { Right } from '@/app/_features/rights.tsx'
import { EndNotes } from '@/app/_features/token-end.tsx'
import { offlineMeans, plural, strategyText, wayText } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { CopyButton } from '@/app/_ui/copy-button.tsx'
import { Input, RadioCards, Select } from '@/app/_ui/field.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { LifetimePicker, lifetimeError } from '@/app/_ui/lifetime-picker.tsx'
import Link from '@/app/_ui/link.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SecretOnceDialog, useSecretOnce } from '@/app/_ui/secret-once-dialog.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { StateBadge } from '@/app/_ui/state-badge.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { IssueOffer, IssueWay } from '@/lib/broker/read/offer.ts'
import { type RightLine, type Strategy, shellQuoted } from '@/lib/providers/kind.ts'
import type { Rights } from '@/lib/providers/provider.ts'
import { proxySamples, samplePath } from '@/lib/providers/proxy-samples.ts'
import type { Rules } from '@/lib/providers/rules.ts'
import { OfferReasons } from './offers.tsx'
import { ChoicesFailed, ChoicesLoading, useChoices } from './pickers/choices.tsx'
import { pickerFor } from './pickers/index.ts'
import { RulesPicker } from './pickers/rules.tsx'
import { draftOf, readDraft } from './pickers/rules-draft.ts'
import { withinSchema } from './pickers/within-schema.ts'

export type IssueFormProps = {
  tenant: string
  project: { id: string; name: string; alias: string }
  /** The projects that the person can issue for, this one among them. */
  others: { id: string; name: string }[]
  cap: { seconds: number; setBy: keyof typeof setters }
  /** Whether a token that its upstream lets live longer than the cap is handed out all the same. */
  revokesAtEnd: boolean
  offer: IssueOffer & { ways: [IssueWay, ...IssueWay[]] }
  /** The development branch that the samples name, where the kind has some; null: it has none. */
  branch: { id: string | null; hint: string } | null
  /** What stands in the samples where the token belongs. */
  token: string
  /** An earlier token to make another one like. */
  like: { purpose: string; strategy: IssueWay['strategy']; rights: Rights; lifetimeSeconds: number } | null
}

/** What stays on the page after the value has gone. */
type Made = {
  id: string
  way: IssueWay
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
  const { tenant, project, others, cap, revokesAtEnd, offer, branch, like } = props
  const picker = pickerFor(offer.kind)
  const router = useRouter()
  const [strategy, setStrategy] = useState(like?.strategy)
  const way = offer.ways.find((one) => one.strategy === strategy) ?? offer.ways[0]
  const hasRules = way.asks === 'rules'
  const choices = useChoices(tenant, project.id, !hasRules)
  const [purpose, setPurpose] = useState(like?.purpose ?? '')
  const [wanted, setWanted] = useState<Rights>(like && asksRights(offer, like) ? like.rights : picker.none)
  const [draft, setDraft] = useState(() => draftOf(like && !asksRights(offer, like) ? like.rights : undefined))
  const most = longestOf(way, cap.seconds)
  const [seconds, setSeconds] = useState(() => Math.min(like?.lifetimeSeconds ?? 3_600, most))
  const [made, setMade] = useState<Made | null>(null)
  const secret = useSecretOnce()
  const asked = ((): { rights: Rights } | { todo: string } => {
    if (way.asks === 'rules') {
      const read = readDraft(draft, way)
      return 'rules' in read ? { rights: read.rules } : read
    }
    if (choices.state === 'ready' && picker.refusal?.(choices.choices, way.schema))
      return { todo: 'choose another way, because your role upstream gives no rights' }
    const rights = choices.state === 'ready' ? picker.stillThere(wanted, choices.choices, way.schema) : wanted
    if (picker.isEmpty(rights)) return { todo: 'choose at least one right' }
    return { rights: withinSchema(rights, way.schema) }
  })()
  const [isMoving, move] = useTransition()
  const isReady = (hasRules || choices.state === 'ready') && !isMoving
  const branches = choices.state === 'ready' && !hasRules ? branchesOf(choices.choices) : []
  const missing = missingWords(purpose, 'todo' in asked ? asked.todo : null, seconds, most)

  const { busy, problem, start } = useAction(async () => {
    const rights = 'rights' in asked ? asked.rights : {}
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/projects/{project}/tokens', {
        params: { path: { tenant, project: project.id } },
        // The client's type names the kinds that it was generated with.
        body: { purpose: purpose.trim(), expires_in: seconds, strategy: way.strategy, scopes: rights as never },
      }),
    )
    if (!sent.ok) return sent
    const { token, value } = sent.data
    const facts: Made = {
      id: token.id,
      way,
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
    const isUsual = way === offer.ways[0]
    const commands = tokenCommands({
      alias: project.alias,
      way,
      isUsual,
      rights,
      seconds,
      purpose: token.purpose,
      branch: branches.length > 0 ? (branch?.id ?? null) : null,
    })
    secret.show({
      value,
      title: `Token for ${project.name}`,
      fingerprint: facts.fingerprint,
      endsAt: facts.revokeAt ?? facts.expiresAt,
      endWord: facts.revokeAt ? 'Revoked' : 'Expires',
      note: (
        <>
          {facts.notGranted.length > 0 && <NotGranted {...facts} />}
          <Ends way={way} made={facts} />
          {way.strategy === 'proxy' && <Address url={way.baseUrl} isGateway={isAtGateway(way)} />}
        </>
      ),
      samples: [
        ...samplesOf(way, rights, props.token).map((sample) => ({
          ...sample,
          code: (value: string) => filled(sample.code, props.token, value),
        })),
        // They make another one like it: what is shown here stays here.
        { id: 'valetkey-token', label: 'valetkey token', code: () => commands.token },
        { id: 'valetkey-exec', label: 'valetkey exec', code: () => commands.exec },
      ],
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
    if (missing || !isReady) return
    // A field that has the focus goes away with the form; the button stays, and gets it back from the dialog.
    if (event.nativeEvent instanceof SubmitEvent) event.nativeEvent.submitter?.focus()
    void start()
  }

  return (
    <>
      <form className="flex max-w-[720px] flex-col gap-6" onSubmit={submit} noValidate>
        {made ? (
          <Result tenant={tenant} made={made} />
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
                way.strategy === 'mint'
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
            {offer.ways.length > 1 && <WayChoice offer={offer} way={way} onChange={setStrategy} />}
            {branch && branches.length > 0 && (
              <BranchChoice
                {...branch}
                branches={branches}
                onChange={(id) => move(() => router.replace(withBranch(id), { scroll: false }))}
              />
            )}
            {way.asks === 'rules' ? (
              <RulesPicker way={way} api={offer.api} value={draft} onChange={setDraft} />
            ) : choices.state === 'loading' ? (
              <ChoicesLoading />
            ) : choices.state === 'failed' ? (
              <ChoicesFailed problem={choices.problem} onRetry={choices.retry} />
            ) : (
              <picker.Pick
                choices={choices.choices}
                schema={way.schema}
                value={picker.stillThere(wanted, choices.choices, way.schema)}
                onChange={setWanted}
                place={{ tenant, project: project.id }}
                onReload={choices.retry}
              />
            )}
            <LifetimePicker
              valueSeconds={seconds}
              onChange={setSeconds}
              minSeconds={shortestSeconds}
              maxSeconds={most}
              cappedBy={most < cap.seconds ? 'the way it is made' : setters[cap.setBy]}
            />
            {(way.strategy === 'narrow' || way.strategy === 'exchange') && way.endsTokens && (
              <p className="-mt-4 text-[14px] text-muted leading-5">
                The upstream sets its own end.{' '}
                {revokesAtEnd
                  ? 'If that is later, Valetkey revokes the token at yours.'
                  : 'If that is later, Valetkey revokes the token at yours; if it is beyond the cap, the token is not handed out.'}
              </p>
            )}
            {offer.ways.length === 1 && <OnlyWay offer={offer} way={way} />}
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
            disabled={!made && (missing !== null || !isReady)}
          >
            {made ? 'Issue another' : 'Issue token'}
          </Button>
          <p aria-live="polite" className="text-muted">
            {!made && isReady && missing}
          </p>
        </div>
      </form>
      <SecretOnceDialog {...secret.dialog} onIssueAgain={again} />
    </>
  )
}

/** Whether the rights of an earlier token are in the kind's own words. */
const asksRights = ({ ways }: IssueOffer, { strategy }: { strategy: Strategy }) =>
  ways.find((way) => way.strategy === strategy)?.asks === 'rights'

type Branch = { id: string; name: string }

/** Of what the upstream offers, where it has any. */
const branchesOf = ({ branches }: Record<string, unknown>): Branch[] =>
  Array.isArray(branches) ? (branches as Branch[]) : []

/** This page with another branch; what was filled in stays. An empty one: none, whatever the project says. */
function withBranch(id: string): string {
  const { pathname, search } = window.location
  const query = new URLSearchParams(search)
  query.set('branch', id)
  return `${pathname}?${query}`
}

type BranchChoiceProps = NonNullable<IssueFormProps['branch']> & { branches: Branch[]; onChange: (id: string) => void }

/** The development branch that the token is used in: told to tools, and no right (K-25). */
function BranchChoice({ id, hint, branches, onChange }: BranchChoiceProps) {
  const isUnknown = id !== null && !branches.some((one) => one.id === id)
  return (
    <Select
      label="Development branch"
      hint={hint}
      value={id ?? ''}
      onChange={(event) => onChange(event.target.value)}
      options={[
        { value: '', label: 'None: the main branch' },
        ...branches.map((one) => ({ value: one.id, label: `${one.name} · ${one.id}` })),
        ...(isUnknown ? [{ value: id, label: `${id}, which is not among them` }] : []),
      ]}
    />
  )
}

type WayProps = { offer: IssueOffer; way: IssueWay }

const isAtGateway = ({ strategy, asks }: IssueWay) => strategy === 'proxy' && asks === 'rights'

const hostOf = (api: string) => new URL(api).host || api

/** The ways in which the token can be made, for a person to choose. */
function WayChoice({ offer: { ways, offers, api }, way, onChange }: WayProps & { onChange: (s: Strategy) => void }) {
  const name = useId()
  return (
    <div className="flex flex-col gap-2">
      <RadioCards
        legend="How it is made"
        name={name}
        value={way.strategy}
        onChange={(strategy) => onChange(strategy as Strategy)}
        options={ways.map((one) => ({
          value: one.strategy,
          label: wayText(one).label,
          hint: wayText(one).hint(hostOf(api)),
        }))}
      />
      <Why title="Why these ways" offers={offers} />
    </div>
  )
}

/** How the token will be made, and why not in another way. */
function OnlyWay({ offer: { offers, api }, way }: WayProps) {
  return (
    <div className="flex flex-col gap-1">
      <KeyValue items={[{ label: 'Strategy', value: strategyText(way.strategy, isAtGateway(way)) }]} />
      <p className="wrap-anywhere text-[14px] text-muted leading-5">{wayText(way).hint(hostOf(api))}</p>
      <Why title="Why this way" offers={offers} />
    </div>
  )
}

function Why({ title, offers }: { title: string; offers: IssueOffer['offers'] }) {
  return (
    <details className="text-[14px] leading-5">
      <summary className="cursor-pointer text-muted">{title}</summary>
      <div className="mt-1">
        <OfferReasons offers={offers} />
      </div>
    </details>
  )
}

/** Whether one token can be ended before its own end. What works through us always can. */
const endsAlone = (way: IssueWay) => way.asks === 'rules' || way.endsTokens

/** The longest life of such a token: what cannot be revoked alone may have one that is shorter than policy allows. */
const longestOf = (way: IssueWay, cap: number) =>
  Math.min(cap, (way.asks === 'rights' && way.longestSeconds) || Number.POSITIVE_INFINITY)

/** What is to be known of the token's end. */
function Ends({ way, made }: { way: IssueWay; made: Made }) {
  if (way.strategy === 'sign') return way.endsTokens ? null : <p>{offlineMeans}</p>
  return <EndNotes {...made} endsTokens={endsAlone(way)} endsWithGrant={way.asks === 'rights' && way.endsWithGrant} />
}

/** How the token is used; of one that works through us, at a path that its rules let be read. */
function samplesOf(way: IssueWay, rights: Rights, token: string) {
  if (way.asks === 'rights') return way.samples
  return proxySamples({ baseUrl: way.baseUrl, path: samplePath(rights as Rules, way.named) }, token)
}

/** Where a token works that works through us. */
function Address({ url, isGateway }: { url: string; isGateway: boolean }) {
  return (
    <div className="flex min-w-0 flex-col">
      <span>{isGateway ? 'Give clients this address' : 'Send requests to'}</span>
      <span className="flex items-center gap-1">
        <code className="wrap-anywhere min-w-0 font-mono text-[13px]">{url}</code>
        <CopyButton compact text={url} label="Copy the address" />
      </span>
    </div>
  )
}

/** What is still to be done before the token can be made. */
function missingWords(purpose: string, access: string | null, seconds: number, most: number): string | null {
  const parts = [
    purpose.trim() === '' && 'enter a purpose',
    access,
    lifetimeError(seconds, shortestSeconds, most) && 'choose a lifetime',
  ].filter((part) => typeof part === 'string')
  if (parts.length === 0) return null
  const text = parts.join(', ')
  return `Still to do: ${text}.`
}

/** A sample with its token: as one word of a shell where the sample has it in quotes, else as it is. */
const filled = (code: string, token: string, value: string) =>
  code.replaceAll(shellQuoted(token), () => shellQuoted(value)).replaceAll(token, () => value)

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

function Result({ tenant, made }: { tenant: string; made: Made }) {
  const { way } = made
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
              { label: 'Strategy', value: strategyText(way.strategy, isAtGateway(way)) },
              ...(way.strategy === 'proxy' ? [{ label: 'Address', value: way.baseUrl, mono: true }] : []),
              ...(made.revokeAt ? [{ label: 'Revoked', value: <Time at={made.revokeAt} /> }] : []),
              { label: made.revokeAt ? 'Expires upstream' : 'Expires', value: <Time at={made.expiresAt} /> },
              { label: 'State', value: <StateBadge kind="token" state="live" /> },
            ]}
          />
          <div className="mt-3 border-t pt-3 empty:hidden">
            <Ends way={way} made={made} />
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
