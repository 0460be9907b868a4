'use client'
import { type Scope, ScopeList } from '@/app/_features/scope-list.tsx'
import { exclusiveWords } from '@/app/_features/token-end.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import type { OauthRights } from '@/lib/providers/oauth/rights.ts'
import type { Picker, PickProps } from './picker.ts'

type OauthChoices = { scopes: Scope[]; one_at_a_time: boolean; revocable: boolean }

export const oauthPicker: Picker<OauthRights, OauthChoices> = {
  none: { scopes: [] },
  isEmpty: ({ scopes }) => scopes.length === 0,
  stillThere: (rights, { scopes }) => ({
    scopes: rights.scopes.filter((name) => scopes.some((scope) => scope.name === name)),
  }),
  Pick: ScopePicker,
}

/** What the token may do: nothing until it is ticked; and what is special about tokens of this upstream. */
function ScopePicker({ choices, value, onChange }: PickProps<OauthRights, OauthChoices>) {
  const { scopes, one_at_a_time, revocable } = choices
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <p className="font-semibold">Access</p>
      <ScopeList
        label="Scopes"
        scopes={scopes}
        value={value.scopes}
        onChange={(names) => onChange({ scopes: names })}
      />
      {one_at_a_time && <Notice {...exclusiveWords} />}
      {!revocable && (
        <Notice
          tone="attention"
          title="It cannot be revoked alone"
          meaning="It ends by itself when its lifetime at the upstream is over. You see that moment with the token; it may be later than you ask."
        />
      )}
    </div>
  )
}
