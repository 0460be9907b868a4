'use client'
import { useState } from 'react'
import { Textarea } from '@/app/_ui/field.tsx'
import type { Rights } from '@/lib/providers/provider.ts'
import type { Choices, Picker, PickProps } from './picker.ts'

/** For kinds without a form of their own. */
export const jsonPicker: Picker = {
  none: {},
  isEmpty: (rights) => Object.keys(rights).length === 0,
  stillThere: (rights) => rights,
  Pick: JsonPicker,
}

function JsonPicker({ schema, value, onChange }: PickProps<Rights, Choices>) {
  const [text, setText] = useState(() => (jsonPicker.isEmpty(value) ? '' : JSON.stringify(value, null, 2)))
  const isWrong = text.trim() !== '' && objectOf(text) === undefined
  function change(next: string) {
    setText(next)
    onChange(objectOf(next) ?? jsonPicker.none)
  }
  return (
    <div className="flex min-w-0 flex-col gap-2">
      <Textarea
        label="Access"
        hint="The rights of the token, as a JSON object."
        rows={6}
        spellCheck={false}
        autoComplete="off"
        className="font-mono text-[13px]"
        value={text}
        onChange={(event) => change(event.target.value)}
        {...(isWrong && { error: 'This is not a JSON object.' })}
      />
      <details>
        <summary className="cursor-pointer text-muted">What it may hold</summary>
        <pre className="wrap-anywhere mt-2 whitespace-pre-wrap rounded-lg border bg-surface p-3 font-mono text-[13px]">
          {JSON.stringify(schema, null, 2)}
        </pre>
      </details>
    </div>
  )
}

function objectOf(text: string): Rights | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Rights) : undefined
  } catch {
    return undefined
  }
}
