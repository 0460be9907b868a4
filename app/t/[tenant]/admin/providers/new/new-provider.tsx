'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, type ReactNode, useEffect, useRef, useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { type Problem, useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { KindView } from '@/lib/broker/providers.ts'
import type { PresetView } from '@/lib/providers/kind.ts'
import { OverLifeBox } from '../provider-form.tsx'
import { changedSettings, SettingInputs, typedSettings } from '../setting-inputs.tsx'
import { Abilities, ClientOfMcp, Found, type Preview, Register } from './found.tsx'
import { Gallery, Mark, type Tile, type TileGroup } from './gallery.tsx'
import { OwnForm } from './own-form.tsx'
import { setupForms } from './setups/index.ts'
import type { SetupForm } from './setups/setup-form.ts'

type Preset = PresetView & { kind: string }

/** What was chosen in the gallery: a preset, a way of a kind's form, or a kind that asks its address alone. */
type Choice = { id: string; title: string; monogram: string; kind: KindView; preset: Preset | null; way: string }

const limited = {
  yes: 'Limited tokens of its own',
  no: 'Limited tokens through Valetkey',
  unknown: 'Limited tokens through Valetkey',
} as const
const revocable: Record<PresetView['revocation']['ends'], string> = {
  token: 'Revocable by token',
  grant: 'Revocable',
  both: 'Revocable',
  account: 'Revocable by account',
  nothing: 'Not revocable',
  unknown: 'Revocation not known',
}
const documented = { read: 'documentation only', tried: null } as const

/** The whole page: sections that open one after another, and forget nothing of what was typed. */
export function NewProvider({ tenant, kinds, presets }: { tenant: string; kinds: KindView[]; presets: Preset[] }) {
  const [chosen, setChosen] = useState<string | null>(null)
  const [isChoosing, setChoosing] = useState(true)
  const choices = choicesOf(kinds, presets)
  const choice = choices.find(({ id }) => id === chosen)
  const step = useRef<HTMLElement>(null)
  const [moves, setMoves] = useState(0)
  useEffect(() => {
    if (moves > 0) step.current?.focus()
  }, [moves])

  return (
    <div className="flex flex-col gap-8">
      <ConfirmFirst />
      {isChoosing || !choice ? (
        <Section
          title="1. The server"
          lead="Well-known servers need the least typing. Any other one can be added by its issuer, or by its endpoints."
          aside={
            choice && (
              <Button size="sm" onClick={() => setChoosing(false)}>
                Keep {choice.title}
              </Button>
            )
          }
        >
          <Gallery
            groups={groupsOf(choices)}
            onChoose={(id) => {
              setChosen(id)
              setChoosing(false)
              setMoves(moves + 1)
            }}
          />
        </Section>
      ) : (
        <Section title="1. The server">
          <div className="flex flex-wrap items-center gap-3 rounded-lg border bg-surface p-3">
            <Mark text={choice.monogram} />
            <p className="min-w-0 flex-1 font-semibold">{choice.title}</p>
            <Button size="sm" onClick={() => setChoosing(true)}>
              Choose another
            </Button>
          </div>
        </Section>
      )}
      {/* Each choice keeps what was typed for it, also while another one is looked at. */}
      {choices.map((one) => (
        <Kept key={one.id} wanted={one.id === chosen}>
          <section
            ref={one.id === chosen ? step : undefined}
            tabIndex={-1}
            aria-label={`Add ${one.title}`}
            className="outline-none"
          >
            {one.kind.own ? <OwnForm tenant={tenant} kind={one.kind} /> : <ChosenForm tenant={tenant} choice={one} />}
          </section>
        </Kept>
      ))}
    </div>
  )
}

/** Comes with its first use and stays, hidden while it is not wanted. */
function Kept({ wanted, children }: { wanted: boolean; children: ReactNode }) {
  const [used, setUsed] = useState(wanted)
  if (wanted && !used) setUsed(true)
  if (!used) return null
  return <div hidden={!wanted}>{children}</div>
}

function choicesOf(kinds: KindView[], presets: Preset[]): Choice[] {
  const kindOf = (name: string) => kinds.find((kind) => kind.name === name)
  const known = presets.flatMap((preset) => {
    const kind = kindOf(preset.kind)
    if (!kind) return []
    const { name, title, monogram } = preset
    return [{ id: `${kind.name}:${name}`, title, monogram, kind, preset, way: 'preset' }]
  })
  const others = kinds.flatMap((kind): Choice[] => {
    const ways = setupForms[kind.name]?.ways
    if (ways)
      return ways.map(({ id, title, monogram }) => ({
        id: `${kind.name}/${id}`,
        title,
        monogram,
        kind,
        preset: null,
        way: id,
      }))
    const { name, title } = kind
    if (kind.own) return [{ id: name, title: 'Own APIs', monogram: 'Ow', kind, preset: null, way: 'own' }]
    return [{ id: name, title, monogram: title.slice(0, 1), kind, preset: null, way: 'address' }]
  })
  // A kind with an address alone comes after those that fit any server.
  return [...known, ...others.sort((a, b) => Number(a.way === 'address') - Number(b.way === 'address'))]
}

function groupsOf(choices: Choice[]): TileGroup[] {
  const tileOf = ({ id, title, monogram, kind, preset, way }: Choice): Tile => {
    if (preset) {
      const note = [revocable[preset.revocation.ends], documented[preset.evidence]].filter(Boolean).join(' · ')
      const text = preset.place ?? limited[preset.limitedTokens.answer]
      return { id, title, monogram, text, note: preset.place ? null : note, keywords: preset.keywords }
    }
    if (kind.own)
      return { id, title, monogram, text: ownWords, note: null, keywords: ['own', 'sign', 'jwt', 'audience', 'api'] }
    const own = setupForms[kind.name]?.ways.find((one) => one.id === way)
    return {
      id,
      title,
      monogram,
      text: own?.text ?? 'By its address.',
      note: null,
      keywords: own?.keywords ?? [kind.name],
    }
  }
  return [
    {
      label: 'Your own server',
      tiles: choices.filter(({ preset, kind }) => !preset && !kind.own).map(tileOf),
      always: true,
    },
    { label: 'Without an upstream', tiles: choices.filter(({ kind }) => kind.own).map(tileOf) },
    // Of one product, which differ in their place alone.
    { label: 'Keboola stacks', tiles: choices.filter(({ preset }) => preset?.place).map(tileOf) },
    { label: 'Well-known servers', tiles: choices.filter(({ preset }) => preset && !preset.place).map(tileOf) },
  ]
}

const ownWords = 'Valetkey issues the tokens itself, for APIs that your organisation runs.'

type Client = { name: string; clientId: string; clientSecret: string; capMinutes: string }
type Faults = Record<string, string>
type Failure = { problem: Problem; faults: Faults }

/** Fields of every kind's form that show what is wrong with them. */
const commonFields = ['issuer', 'name', 'client_id', 'client_secret', 'max_lifetime_seconds', 'settings']
const isAt = (field: string, place: string) => field === place || field.startsWith(`${place}.`)

function ChosenForm({ tenant, choice }: { tenant: string; choice: Choice }) {
  const { kind, preset, way } = choice
  const router = useRouter()
  const form = setupForms[kind.name]
  const [setup, setSetup] = useState(() => form?.start(preset, way) ?? {})
  const [address, setAddress] = useState('')
  const [fields, setFields] = useState<Client>({
    name: preset?.title ?? '',
    clientId: '',
    clientSecret: '',
    capMinutes: '',
  })
  const [settings, setSettings] = useState(() => typedSettings(kind.settings))
  const [revokesAtEnd, setRevokesAtEnd] = useState(false)
  const [preview, setPreview] = useState<{ found: Preview; place: string } | null>(null)
  const [failure, setFailure] = useState<Failure | null>(null)
  const root = useRef<HTMLDivElement>(null)
  const place = JSON.stringify([address, form?.placeOf(setup)])
  const isStale = preview !== null && preview.place !== place
  const secret =
    preview && (form?.secretOf(setup, preview.found.client_authentication) ?? preview.found.client_authentication)

  const body = () => ({
    // The client's type names the kinds that it was generated with.
    kind: kind.name as never,
    ...(form ? { setup: form.setupOf(setup, preset) as never } : { issuer: address.trim() }),
  })
  function keep<T>(sent: Sent<T>): Sent<T> {
    setFailure(sent.ok ? null : { problem: sent.problem, faults: sent.fields })
    return sent
  }
  const check = useAction(async () => {
    const params = { path: { tenant } }
    const sent = keep(await send(client.POST('/api/v1/tenants/{tenant}/provider-preview', { params, body: body() })))
    if (sent.ok) {
      setPreview({ found: sent.data, place })
      const { title } = sent.data.mcp ?? {}
      if (title) setFields((typed) => (typed.name === '' ? { ...typed, name: title } : typed))
    }
    return sent
  })
  const add = useAction(async () => {
    const { name, clientId, clientSecret, capMinutes } = fields
    const sent = keep(
      await send(
        client.POST('/api/v1/tenants/{tenant}/providers', {
          params: { path: { tenant } },
          body: {
            ...body(),
            name,
            ...(!form?.ownsClient && { client_id: clientId }),
            ...(!form?.ownsClient && secret === 'secret' && { client_secret: clientSecret }),
            ...(capMinutes && { max_lifetime_seconds: Number(capMinutes) * 60 }),
            ...(revokesAtEnd && { over_life: 'revoke_at_end' }),
            settings: changedSettings(kind.settings, settings),
          },
        }),
      ),
    )
    return sent
  })

  const needsNothing = form?.needsNothing(preset) ?? false
  const first = useRef(needsNothing)
  useEffect(() => {
    // What needs no answer is looked at without being asked.
    if (first.current) void check.start()
    first.current = false
  })
  useEffect(() => {
    // A fault may stand in something that opens with it.
    if (!failure) return
    const timer = setTimeout(() => root.current?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus(), 0)
    return () => clearTimeout(timer)
  }, [failure])

  const faultOf = (field: string): string | undefined =>
    Object.entries(failure?.faults ?? {}).find(([name]) => isAt(name, field))?.[1]
  const set = (name: keyof Client) => ({
    value: fields[name],
    onChange: (event: { target: { value: string } }) => setFields({ ...fields, [name]: event.target.value }),
    autoComplete: 'off',
    spellCheck: false,
  })
  const props = { value: setup, onChange: setSetup, preset, faultOf, found: preview?.found ?? null }
  const said = failure && <ProblemNotice problem={summaryOf(failure, form)} />

  async function submit(event: FormEvent) {
    event.preventDefault()
    if (!(await add.start())) return
    say('Provider added')
    router.push(`/t/${tenant}/admin/providers`)
    router.refresh()
  }
  return (
    <div ref={root} className="flex flex-col gap-8">
      <Section
        title="2. Where it is"
        lead={
          needsNothing
            ? 'Nothing has to be entered: its addresses are known.'
            : form
              ? 'What nobody else can know. A check reads what the server publishes and saves nothing.'
              : 'What nobody else can know. A check saves nothing.'
        }
      >
        <form
          className="flex max-w-[720px] flex-col gap-4"
          onSubmit={(event) => {
            event.preventDefault()
            void check.start()
          }}
        >
          {form ? (
            <form.Where {...props} />
          ) : (
            <Input
              label="Address"
              hint={kind.issuer.hint}
              type="url"
              required
              placeholder={kind.issuer.placeholder}
              autoComplete="off"
              spellCheck={false}
              error={faultOf('issuer')}
              value={address}
              onChange={(event) => setAddress(event.target.value)}
            />
          )}
          {!preview && said}
          {isStale && (
            <Notice
              tone="attention"
              live
              title="Changed since the check"
              meaning="What is shown below belongs to what you entered before. Check again to see the redirect URI of this."
            />
          )}
          <div className="flex flex-wrap items-center gap-3">
            <Button type="submit" variant={preview && !isStale ? 'secondary' : 'primary'} busy={check.busy}>
              {preview ? 'Check again' : 'Check'}
            </Button>
            <p aria-live="polite" className="text-muted">
              {check.busy ? 'Asking the server …' : preview && !isStale ? 'Checked. Nothing is saved yet.' : ''}
            </p>
          </div>
        </form>
        {preview && (
          <div className="grid items-start gap-4 md:grid-cols-[minmax(0,3fr)_minmax(0,2fr)]">
            <div className="flex min-w-0 flex-col gap-3 rounded-lg border bg-surface p-4">
              <h3 className="font-semibold text-[16px]">
                {form?.ownsClient ? 'How Valetkey is known there' : 'Register Valetkey there'}
              </h3>
              {form?.ownsClient ? (
                <ClientOfMcp preview={preview.found} />
              ) : (
                <Register redirectUri={preview.found.redirect_uri} preset={preset} fill={fillOf(preset, setup)} />
              )}
            </div>
            {form && (
              <div className="flex min-w-0 flex-col gap-3 rounded-lg border bg-surface p-4">
                <h3 className="font-semibold text-[16px]">{preset ? 'What is known' : 'What was found'}</h3>
                <Found preview={preview.found} />
                {preset && (
                  <div className="border-t pt-3">
                    <Abilities preset={preset} />
                  </div>
                )}
              </div>
            )}
          </div>
        )}
      </Section>
      {preview && (
        <Section
          title={form?.ownsClient ? '3. Its name here' : form ? '3. Client and scopes' : '3. The client'}
          lead={
            form?.ownsClient
              ? 'What people in this tenant read, and how long tokens for it may live.'
              : form
                ? 'What you got when you registered, and what connections ask for.'
                : 'What you got when you registered.'
          }
        >
          <form className="flex max-w-[720px] flex-col gap-4" onSubmit={submit}>
            <Input
              label="Name"
              hint="Shown to people in this tenant."
              required
              maxLength={80}
              error={faultOf('name')}
              {...set('name')}
            />
            {!form?.ownsClient && (
              <Input label="Client id" required maxLength={200} error={faultOf('client_id')} {...set('clientId')} />
            )}
            {form?.ownsClient ? null : secret === 'secret' ? (
              <Input
                label="Client secret"
                type="password"
                required
                hint="Stored encrypted and never shown again."
                error={faultOf('client_secret')}
                {...set('clientSecret')}
                autoComplete="new-password"
              />
            ) : (
              <p className="text-muted">
                {secret === 'key'
                  ? 'No client secret: Valetkey signs with a key of its own. The provider’s card shows the address of its public half.'
                  : 'No client secret: this is a public client.'}
              </p>
            )}
            {form && <form.Scopes {...props} />}
            <Input
              label="Longest token lifetime, in minutes"
              optional
              type="number"
              inputMode="numeric"
              min={1}
              max={1440}
              step={1}
              hint="The limit for tokens of this provider. If empty, the tenant’s limit applies."
              error={faultOf('max_lifetime_seconds')}
              {...set('capMinutes')}
            />
            {kind.decidesLife && <OverLifeBox checked={revokesAtEnd} onChange={setRevokesAtEnd} />}
            {(form || kind.settings.length > 0) && (
              <Fold
                title="Advanced"
                open={[...(form?.folded ?? []), 'settings'].some((field) => faultOf(field) !== undefined)}
              >
                {form && <form.Advanced {...props} />}
                <SettingInputs
                  settings={kind.settings}
                  values={settings}
                  onChange={setSettings}
                  faultOf={faultOf}
                  optional
                />
              </Fold>
            )}
            {said}
            <div className="flex flex-wrap items-center gap-2 border-t pt-4">
              <ButtonLink href={`/t/${tenant}/admin/providers`}>Cancel</ButtonLink>
              <Button type="submit" variant="primary" busy={add.busy}>
                Add provider
              </Button>
            </div>
          </form>
        </Section>
      )}
    </div>
  )
}

/** What went wrong; faults that stand at their fields are only counted. */
function summaryOf({ problem, faults }: Failure, form: SetupForm | undefined): Problem {
  const names = Object.keys(faults)
  if (names.length === 0) return problem
  const places = [...commonFields, ...(form?.fields ?? [])]
  const loose = names.filter((name) => !places.some((place) => isAt(name, place)))
  const words = loose.map((name) => `${name.replace(/^setup\.?/, '').replaceAll('_', ' ')} ${faults[name]}`.trim())
  return {
    ...problem,
    title: `${plural(names.length, 'field')} to correct`,
    meaning:
      words.join(' ') || (names.length === 1 ? 'What is wrong stands at the field.' : 'What is wrong stands at each.'),
    next: 'Nothing that you typed is lost.',
  }
}

/** Puts what was entered for a preset's variables into its texts. */
const fillOf = (preset: PresetView | null, setup: object) => (text: string) => {
  const entered = 'variables' in setup ? (setup.variables as Record<string, string>) : {}
  return text.replaceAll(/\{([a-z_]+)\}/g, (whole, name: string) => {
    const known = preset?.variables.find((variable) => variable.name === name)
    return known ? entered[name]?.trim() || known.default || whole : whole
  })
}
