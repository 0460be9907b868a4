'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { ScopeList } from '@/app/_features/scope-list.tsx'
import { clientScopeChoices } from '@/app/_features/scope-words.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Checkbox, CheckboxGroup } from '@/app/_ui/checkbox.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input, RadioCards, Textarea } from '@/app/_ui/field.tsx'
import { Fold } from '@/app/_ui/fold.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { ShownOnceDialog } from '@/app/_ui/shown-once-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { GrantScope } from '@/lib/actor.ts'
import type { AuthMethod, GrantType } from '@/lib/tenancy/clients.ts'
import { readKeys } from './key-text.ts'
import { grantWords, kindWords } from './words.ts'

export type Audience = { id: string; name: string }
export type Values = {
  method: AuthMethod
  name: string
  grantTypes: GrantType[]
  /** One a line. */
  redirectUris: string
  scopes: GrantScope[]
  audiences: string[]
  /** As it was pasted; empty: as they are. */
  keys: string
  proofs: boolean
  pushes: boolean
}
/** What taking something away would end. */
export type Ending = { grants: number; people: number; tokens: number }

const blank: Values = {
  method: 'none',
  name: '',
  grantTypes: [],
  redirectUris: '',
  scopes: [],
  audiences: [],
  keys: '',
  proofs: false,
  pushes: false,
}

/** Registers a client, and shows its secret once. */
export function AddClient({ tenant, audiences }: { tenant: string; audiences: Audience[] }) {
  const router = useRouter()
  const [open, setOpen] = useState(false)
  const [made, setMade] = useState<{ name: string; secret: string } | null>(null)

  async function create(values: Values) {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/clients', {
        params: { path: { tenant } },
        body: { token_endpoint_auth_method: values.method, ...bodyOf(values) },
      }),
    )
    if (sent.ok && sent.data.client_secret) setMade({ name: values.name, secret: sent.data.client_secret })
    return sent
  }
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Add client
      </Button>
      {open && (
        <ClientDialog
          title="Add a client"
          lead="Members decide themselves whether to let it in, and for which projects. Here you set what it may ask them for."
          submitLabel="Add client"
          done="Client added"
          values={blank}
          audiences={audiences}
          onClose={() => setOpen(false)}
          onSave={create}
        />
      )}
      {made && (
        <ShownOnceDialog
          what="secret"
          label="Copy secret"
          title={`The secret of ${made.name}`}
          lead="Give it to the program now. It is not stored and cannot be shown again, only replaced."
          value={made.secret}
          onClose={() => {
            setMade(null)
            router.refresh()
          }}
        />
      )}
    </>
  )
}

type ChangeProps = {
  tenant: string
  client: { id: string; values: Values }
  audiences: Audience[]
  ending: Ending | null
  onClose: () => void
}

/** Changes what is registered of a client. */
export function ChangeClient({ tenant, client: { id, values }, audiences, ending, onClose }: ChangeProps) {
  return (
    <ClientDialog
      title={`Change ${values.name}`}
      lead="What you add people still have to allow. What you take away ends what they gave it."
      submitLabel="Save"
      done="Client saved"
      values={values}
      isRegistered
      ending={ending}
      audiences={audiences}
      onClose={onClose}
      onSave={(next) =>
        send(
          client.PATCH('/api/v1/tenants/{tenant}/clients/{client}', {
            params: { path: { tenant, client: id } },
            body: bodyOf(next),
          }),
        )
      }
    />
  )
}

const linesOf = (text: string) => text.split(/\s+/).filter(Boolean)

/** What of a form is sent: what does not belong to its kind is not. */
function bodyOf(values: Values) {
  const { name, grantTypes, redirectUris, scopes, audiences, keys, proofs, pushes } = values
  const read = keys.trim() === '' ? undefined : readKeys(keys)
  return {
    name,
    grant_types: grantTypes,
    redirect_uris: grantTypes.includes('authorization_code') ? linesOf(redirectUris) : [],
    scopes,
    audiences: values.method === 'none' ? [] : audiences,
    dpop_bound_access_tokens: proofs,
    require_pushed_authorization_requests: pushes,
    // What the keys are the server judges.
    ...(values.method === 'private_key_jwt' && read && 'keys' in read && { jwks: { keys: read.keys as never } }),
  }
}

type DialogProps = {
  title: string
  lead: string
  submitLabel: string
  done: string
  values: Values
  audiences: Audience[]
  isRegistered?: boolean
  ending?: Ending | null
  onClose: () => void
  onSave: (values: Values) => Promise<Sent<unknown>>
}

/** Faults of one field, as sentences: "Line 2 must be https." `noun` names one of its parts. */
function faultOf(faults: Record<string, string>, field: string, noun = 'Line'): string | undefined {
  const found = Object.entries(faults).flatMap(([name, fault]) => {
    if (name === field) return [fault]
    const [, at, part] = new RegExp(`^${field}(?:\\.keys)?\\.(\\d+)(?:\\.(\\w+))?$`).exec(name) ?? []
    return at === undefined ? [] : [`${noun} ${Number(at) + 1}${part ? `, ${part}:` : ''} ${fault}`]
  })
  return found.length > 0 ? `${found.join('. ')}.` : undefined
}

function ClientDialog({
  title,
  lead,
  submitLabel,
  done,
  values: given,
  audiences,
  isRegistered = false,
  ending = null,
  onClose,
  onSave,
}: DialogProps) {
  const router = useRouter()
  const [values, setValues] = useState(given)
  const [faults, setFaults] = useState<Record<string, string>>({})
  const { busy, problem, start } = useAction(async () => {
    const read = values.method === 'private_key_jwt' && values.keys.trim() !== '' ? readKeys(values.keys) : undefined
    if (read && 'fault' in read) {
      setFaults({ jwks: read.fault })
      return { ok: false, problem: marked }
    }
    const sent = await onSave(values)
    setFaults(sent.ok ? {} : sent.fields)
    return sent.ok || Object.keys(sent.fields).length === 0 ? sent : { ok: false, problem: marked }
  })
  const set = (change: Partial<Values>) => setValues({ ...values, ...change })
  const isPublic = values.method === 'none'
  const hasCode = values.grantTypes.includes('authorization_code')
  const isTaken = (before: string[], after: string[]) => before.some((one) => !after.includes(one))
  const narrows =
    isRegistered &&
    (isTaken(given.scopes, values.scopes) ||
      isTaken(given.grantTypes, values.grantTypes) ||
      (values.proofs && !given.proofs))

  async function save() {
    if (!(await start())) return
    say(done)
    router.refresh()
    onClose()
  }
  return (
    <FormDialog
      title={title}
      lead={lead}
      submitLabel={submitLabel}
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <ConfirmFirst />
      <Input
        label="Name"
        hint="People see it when the program asks them to let it in."
        required
        maxLength={80}
        autoComplete="off"
        error={faultOf(faults, 'name')}
        value={values.name}
        onChange={(event) => set({ name: event.target.value })}
      />
      {!isRegistered && (
        <RadioCards
          legend="Kind"
          name="kind"
          value={values.method}
          onChange={(method) => set({ method: method as AuthMethod })}
          options={Object.entries(kindWords).map(([value, { label, hint }]) => ({ value, label, hint }))}
        />
      )}
      {values.method === 'private_key_jwt' && (
        <Textarea
          label="Public keys"
          hint={`A JWK set. Each key names its kid and its alg: ES256, ES384, EdDSA, RS256 or PS256.${isRegistered ? ' Leave it empty to keep the present ones.' : ''}`}
          required={!isRegistered}
          rows={4}
          spellCheck={false}
          autoComplete="off"
          className="font-mono text-[13px]"
          error={faultOf(faults, 'jwks', 'Key')}
          value={values.keys}
          onChange={(event) => set({ keys: event.target.value })}
        />
      )}
      <GrantTypes
        value={values.grantTypes}
        error={faultOf(faults, 'grant_types')}
        onChange={(grantTypes) => set({ grantTypes })}
      />
      {hasCode && (
        <Textarea
          label="Redirect URIs"
          hint={
            <>
              One a line, matched to the letter: https, or http://127.0.0.1/… and http://[::1]/…, where any port counts
              {isPublic && ', or a scheme of its own such as com.example.app:/callback'}.
            </>
          }
          required
          rows={3}
          spellCheck={false}
          autoComplete="off"
          className="font-mono text-[13px]"
          error={faultOf(faults, 'redirect_uris')}
          value={values.redirectUris}
          onChange={(event) => set({ redirectUris: event.target.value })}
        />
      )}
      <ScopeList
        label="May ask for"
        hint="Of Valetkey’s own API, for the member who lets it in, and never more than their role allows."
        scopes={clientScopeChoices}
        value={values.scopes}
        onChange={(names) => set({ scopes: names as GrantScope[] })}
      />
      {!isPublic && audiences.length > 0 && (
        <CheckboxGroup
          label="Audiences"
          options={audiences.map(({ id, name }) => ({ value: id, label: name }))}
          value={values.audiences}
          onChange={(next) => set({ audiences: next })}
        />
      )}
      <Fold title="Stricter" open={values.proofs || values.pushes}>
        <div className="flex flex-col gap-1">
          <Checkbox
            label="Bind its tokens to a key of its own"
            hint="DPoP (RFC 9449): a token that is copied is of no use elsewhere."
            checked={values.proofs}
            onChange={(event) => set({ proofs: event.target.checked })}
          />
          <Checkbox
            label="Push its authorization requests"
            hint="PAR (RFC 9126): nobody can change a request on its way through the browser."
            checked={values.pushes}
            onChange={(event) => set({ pushes: event.target.checked })}
          />
        </div>
      </Fold>
      {narrows && (
        <Notice live tone="attention" title="Saving ends what people gave it" meaning={ending && endingWords(ending)} />
      )}
    </FormDialog>
  )
}

const marked = { title: 'Not saved', meaning: 'Correct the marked fields.' }

const endingWords = ({ grants, people, tokens }: Ending): string =>
  grants === 0
    ? 'You take something away. Nobody has let it in so far.'
    : `You take something away, so ${plural(grants, 'grant')} by ${plural(people, 'person')} and ${plural(tokens, 'token')} end. People must let it in again.`

type GrantTypesProps = { value: GrantType[]; error: string | undefined; onChange: (value: GrantType[]) => void }

function GrantTypes({ value, error, onChange }: GrantTypesProps) {
  const known = Object.keys(grantWords) as GrantType[]
  return (
    <fieldset className="flex min-w-0 flex-col gap-1">
      <legend className="mb-1 font-semibold">Gets in by</legend>
      {known.map((type) => (
        <Checkbox
          key={type}
          label={grantWords[type].label}
          hint={grantWords[type].hint}
          checked={value.includes(type)}
          onChange={(event) =>
            onChange(known.filter((one) => (one === type ? event.target.checked : value.includes(one))))
          }
        />
      ))}
      {error && <p className="text-[14px] text-broken leading-5">{error}</p>}
    </fieldset>
  )
}
