'use client'
import { type Scope, ScopeList } from '@/app/_features/scope-list.tsx'
import { offlineMeans } from '@/app/_features/words.ts'
import { Notice } from '@/app/_ui/notice.tsx'
import type { OauthRights } from '@/lib/providers/oauth/rights.ts'
import type { Picker, PickProps } from './picker.ts'

type OwnChoices = { scopes: Scope[]; offline: boolean }

export const ownPicker: Picker<OauthRights, OwnChoices> = {
  none: { scopes: [] },
  isEmpty: ({ scopes }) => scopes.length === 0,
  stillThere: (rights, { scopes }) => ({
    scopes: rights.scopes.filter((name) => scopes.some((scope) => scope.name === name)),
  }),
  Pick: ScopePicker,
}

/** What the token may do at the API: nothing until it is ticked; and whether it can be taken back. */
function ScopePicker({ choices: { scopes, offline }, value, onChange }: PickProps<OauthRights, OwnChoices>) {
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <p className="font-semibold">Access</p>
      <ScopeList
        label="Scopes"
        scopes={scopes}
        value={value.scopes}
        onChange={(names) => onChange({ scopes: names })}
      />
      {offline && <Notice tone="attention" title="It cannot be taken back" meaning={offlineMeans} />}
    </div>
  )
}
