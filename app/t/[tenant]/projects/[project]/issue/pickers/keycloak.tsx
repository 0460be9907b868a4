'use client'
import { type Scope, ScopeList } from '@/app/_features/scope-list.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { Select } from '@/app/_ui/field.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import type { KeycloakRights } from '@/lib/providers/keycloak/rights.ts'
import type { Picker, PickProps } from './picker.ts'

type KeycloakChoices = {
  scopes: Scope[]
  audiences: { name: string; text: string }[]
  delegation: boolean
  /** Whom policy lets the person become. */
  impersonates: string[]
  revocable: boolean
}

export const keycloakPicker: Picker<KeycloakRights, KeycloakChoices> = {
  none: { scopes: [], audience: [] },
  isEmpty: ({ scopes, audience }) => scopes.length === 0 || audience.length === 0,
  stillThere,
  Pick: RealmPicker,
}

/** What comes with every token is asked for as well, and where only one audience is to be had there is nothing to choose. */
function stillThere(rights: KeycloakRights, choices: KeycloakChoices): KeycloakRights {
  const { scopes, audience, delegate, impersonate } = rights
  const { audiences, delegation, impersonates } = choices
  const known = audience.filter((name) => audiences.some((one) => one.name === name))
  return {
    scopes: choices.scopes.filter(({ name, always }) => always || scopes.includes(name)).map(({ name }) => name),
    audience: audiences.length === 1 ? audiences.map(({ name }) => name) : known,
    ...(delegate && delegation && { delegate }),
    ...(impersonate !== undefined && impersonates.includes(impersonate) && { impersonate }),
  }
}

/** What the token may do, where, and about whom it is. */
function RealmPicker({ choices, value, onChange }: PickProps<KeycloakRights, KeycloakChoices>) {
  const { scopes, audiences, delegation, impersonates, revocable } = choices
  const set = (changes: Partial<KeycloakRights>) => onChange({ ...value, ...changes })
  const { delegate: _, impersonate: __, ...asMyself } = value
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <p className="font-semibold">Access</p>
      <fieldset className="min-w-0 rounded-lg border bg-surface px-3 py-1">
        <legend className="sr-only">Audience</legend>
        <p aria-hidden className="flex min-h-8 items-center font-semibold">
          Audience
        </p>
        {audiences.map(({ name, text }) => (
          <Checkbox
            key={name}
            label={<code className="font-mono text-[13px]">{name}</code>}
            hint={text}
            checked={value.audience.includes(name)}
            disabled={audiences.length === 1}
            onChange={({ target }) =>
              set({ audience: [...value.audience.filter((one) => one !== name), ...(target.checked ? [name] : [])] })
            }
          />
        ))}
        {audiences.length === 0 && <p className="py-2 text-[14px] text-muted">No audience is known for this API.</p>}
      </fieldset>
      <ScopeList label="Scopes" scopes={scopes} value={value.scopes} onChange={(names) => set({ scopes: names })} />
      {impersonates.length > 0 && (
        <Select
          label="About whom"
          hint="A token about somebody else is recorded with both names."
          value={value.impersonate ?? ''}
          onChange={({ target }) => onChange(target.value ? { ...asMyself, impersonate: target.value } : asMyself)}
          options={[{ value: '', label: 'Myself' }, ...impersonates.map((name) => ({ value: name, label: name }))]}
        />
      )}
      {delegation && value.impersonate === undefined && (
        <Checkbox
          label="Name Valetkey as the one who acts"
          hint="The token stays about you, and every API that reads it sees that Valetkey acts for you (claim act)."
          checked={value.delegate ?? false}
          onChange={({ target }) => onChange(target.checked ? { ...asMyself, delegate: true } : asMyself)}
        />
      )}
      <Notice
        tone="attention"
        title="It outlives the connection"
        meaning={
          revocable
            ? 'Revoking it here ends it at the realm. An API that checks signatures alone takes it until it expires.'
            : 'It cannot be revoked there: it works until it expires, also when the connection has ended.'
        }
      />
    </div>
  )
}
