'use client'
import { useId } from 'react'
import { Tick } from '@/app/_ui/checkbox.tsx'
import { RadioCards } from '@/app/_ui/field.tsx'
import {
  ChoicesFailed,
  ChoicesLoading,
  useChoices,
} from '@/app/t/[tenant]/projects/[project]/issue/pickers/choices.tsx'
import { pickerFor } from '@/app/t/[tenant]/projects/[project]/issue/pickers/index.ts'
import { RulesPicker } from '@/app/t/[tenant]/projects/[project]/issue/pickers/rules.tsx'
import { draftOf, type RulesDraft, readDraft } from '@/app/t/[tenant]/projects/[project]/issue/pickers/rules-draft.ts'
import type { AuthorizationForm } from '@/lib/authserver/answers.ts'
import type { IssueOffer, RightsWay, RulesWay } from '@/lib/broker/read/offer.ts'
import type { Rights } from '@/lib/providers/provider.ts'

/** How far: no such token, whatever policy allows, or at most what is chosen. */
type Reach = 'none' | 'any' | 'some'
/** What a program may issue for one project, as it is being chosen. Nothing is chosen until somebody does. */
type CeilingDraft = { upstream: Reach | null; rights: Rights | undefined; proxy: Reach | null; rules: RulesDraft }
/** Of the projects that were ticked. */
export type CeilingDrafts = Record<string, CeilingDraft>

type Chosen = Pick<AuthorizationForm, 'chosen' | 'offers'>
type Ceilings = Record<string, { rights?: Rights | null; proxy?: Rights | null }>

const waysOf = ({ ways }: IssueOffer) => ({
  upstream: ways.find((way): way is RightsWay => way.asks === 'rights'),
  proxy: ways.find((way): way is RulesWay => way.asks === 'rules'),
})

/** What can be said of all tokens of the upstream's, however they are made: one limit is for all of them. */
function schemaOf({ ways }: IssueOffer, first: RightsWay): RightsWay['schema'] {
  const all = ways.flatMap((way) => (way.asks === 'rights' && way.strategy !== 'proxy' ? [way.schema.properties] : []))
  return { ...first.schema, ...(all.length > 0 && { properties: Object.assign({}, ...all) }) }
}

/** The ceilings that the drafts come to, or what is still to be done. */
export function readDrafts(
  drafts: CeilingDrafts,
  { chosen, offers }: Chosen,
): { ceilings: Ceilings } | { todo: string } {
  const ceilings: Ceilings = {}
  for (const { id, name } of chosen?.projects ?? []) {
    const draft = drafts[id]
    const offer = offers[id]
    if (!draft || !offer) continue
    const { upstream, proxy } = waysOf(offer)
    const rights = upstream && limitOf(draft.upstream, () => readRights(offer.kind, draft.rights))
    const rules = proxy && limitOf(draft.proxy, () => readRules(draft.rules, proxy))
    if (rights === 'todo' || rules === 'todo' || (rights === undefined && rules === undefined))
      return { todo: `choose what it may issue for ${name}` }
    // What works through us is a ceiling of its own, in whichever words.
    const named = upstream?.strategy === 'proxy' ? { proxy: rights } : { rights }
    ceilings[id] = { ...(rights !== undefined && named), ...(rules !== undefined && { proxy: rules }) }
  }
  return { ceilings }
}

/** Undefined: none; null: any. */
function limitOf(reach: Reach | null, read: () => Rights | undefined): Rights | null | undefined | 'todo' {
  if (reach === 'some') return read() ?? 'todo'
  return reach === 'any' ? null : undefined
}

const readRights = (kind: string, rights: Rights | undefined) =>
  rights === undefined || pickerFor(kind).isEmpty(rights) ? undefined : rights
function readRules(draft: RulesDraft, way: RulesWay): Rights | undefined {
  const read = readDraft(draft, way)
  return 'rules' in read ? read.rules : undefined
}

type PickerProps = {
  tenant: string
  asked: Chosen
  value: CeilingDrafts
  onChange: (drafts: CeilingDrafts) => void
}

/** For which projects a program may issue tokens, and with which rights at most. */
export function CeilingsPicker({ tenant, asked: { chosen, offers }, value, onChange }: PickerProps) {
  const id = useId()
  const projects = chosen?.projects ?? []
  function toggle(project: string, on: boolean) {
    const { [project]: _, ...others } = value
    const fresh = { upstream: null, rights: undefined, proxy: null, rules: draftOf() }
    onChange(on ? { ...others, [project]: fresh } : others)
  }
  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">Tokens that it may issue</legend>
      <div className="flex flex-col gap-1 px-3 py-2.5">
        <p aria-hidden className="font-semibold">
          Tokens that it may issue
        </p>
        <p className="text-[14px] text-muted leading-5">
          {projects.length > 0
            ? 'For the projects that you tick, and with the rights that you choose at most. Without any it issues nothing.'
            : 'You have no project here that tokens can be issued for now, so it issues nothing.'}
        </p>
      </div>
      {projects.map(({ id: project, name, provider }) => {
        const draft = value[project]
        const offer = offers[project]
        return (
          <div key={project} className="flex min-w-0 flex-col border-t">
            <label htmlFor={`${id} ${project}`} className="flex gap-3 px-3 py-2 hover:bg-raised">
              <Tick
                id={`${id} ${project}`}
                checked={draft !== undefined}
                onChange={(event) => toggle(project, event.target.checked)}
                className="mt-0.5"
              />
              <span className="flex min-w-0 flex-col text-[14px] leading-5">
                <bdi className="wrap-anywhere">{name}</bdi>
                <bdi className="wrap-anywhere text-muted">{provider}</bdi>
              </span>
            </label>
            {draft && offer && (
              <div className="flex min-w-0 flex-col gap-4 px-3 pt-1 pb-4 sm:pl-10">
                <ProjectCeiling
                  place={{ tenant, project, provider }}
                  offer={offer}
                  value={draft}
                  onChange={(next) => onChange({ ...value, [project]: next })}
                />
              </div>
            )}
          </div>
        )
      })}
    </fieldset>
  )
}

type ServerProps = {
  tenant: string
  asked: Chosen
  server: NonNullable<NonNullable<AuthorizationForm['gateway']>['server']>
  value: CeilingDrafts
  onChange: (drafts: CeilingDrafts) => void
}

/** What a program may call at the one MCP server that it asks for. */
export function ServerCeiling({ tenant, asked: { offers }, server, value, onChange }: ServerProps) {
  const offer = offers[server.id]
  const way = offer && waysOf(offer).upstream
  if (!offer || !way) return null
  return (
    <RightsLimit
      tenant={tenant}
      project={server.id}
      kind={offer.kind}
      schema={way.schema}
      value={value[server.id]?.rights}
      onChange={(rights) => onChange({ [server.id]: { upstream: 'some', rights, proxy: null, rules: draftOf() } })}
    />
  )
}

type ProjectProps = {
  place: { tenant: string; project: string; provider: string }
  offer: IssueOffer
  value: CeilingDraft
  onChange: (draft: CeilingDraft) => void
}

function ProjectCeiling({ place, offer, value, onChange }: ProjectProps) {
  const name = useId()
  const { upstream, proxy } = waysOf(offer)
  const isBoth = upstream !== undefined && proxy !== undefined
  return (
    <>
      {upstream && (
        <ReachChoice
          legend={upstream.strategy === 'proxy' ? 'Calls through the gateway' : `Tokens of ${place.provider}`}
          name={`${name} upstream`}
          none={isBoth}
          value={value.upstream}
          onChange={(reach) => onChange({ ...value, upstream: reach })}
        />
      )}
      {upstream && value.upstream === 'some' && (
        <RightsLimit
          {...place}
          kind={offer.kind}
          schema={schemaOf(offer, upstream)}
          value={value.rights}
          onChange={(rights) => onChange({ ...value, rights })}
        />
      )}
      {proxy && (
        <ReachChoice
          legend="Tokens for requests through Valetkey"
          name={`${name} proxy`}
          none={isBoth}
          value={value.proxy}
          onChange={(reach) => onChange({ ...value, proxy: reach })}
        />
      )}
      {proxy && value.proxy === 'some' && (
        <RulesPicker
          way={proxy}
          api={offer.api}
          value={value.rules}
          onChange={(rules) => onChange({ ...value, rules })}
        />
      )}
    </>
  )
}

type ReachProps = {
  legend: string
  name: string
  /** Whether there is another kind of token, so that this one may be left out. */
  none: boolean
  value: Reach | null
  onChange: (reach: Reach) => void
}

function ReachChoice({ legend, name, none, value, onChange }: ReachProps) {
  return (
    <RadioCards
      legend={legend}
      name={name}
      value={value ?? ''}
      onChange={(reach) => onChange(reach as Reach)}
      options={[
        ...(none ? [{ value: 'none', label: 'None' }] : []),
        { value: 'some', label: 'At most what I choose' },
        { value: 'any', label: 'Whatever I could issue myself', hint: 'As far as the policy of your tenant allows.' },
      ]}
    />
  )
}

type RightsProps = {
  tenant: string
  project: string
  kind: string
  schema: Record<string, unknown>
  value: Rights | undefined
  onChange: (rights: Rights) => void
}

function RightsLimit({ tenant, project, kind, schema, value, onChange }: RightsProps) {
  const picker = pickerFor(kind)
  const choices = useChoices(tenant, project, true)
  if (choices.state === 'loading') return <ChoicesLoading />
  if (choices.state === 'failed') return <ChoicesFailed problem={choices.problem} onRetry={choices.retry} />
  return (
    <picker.Pick
      choices={choices.choices}
      schema={schema}
      value={value ?? picker.none}
      onChange={onChange}
      place={{ tenant, project }}
      onReload={choices.retry}
    />
  )
}
