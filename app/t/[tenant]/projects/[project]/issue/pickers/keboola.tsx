'use client'
import { useId, useState } from 'react'
import { Checkbox, CheckboxGroup, Tick } from '@/app/_ui/checkbox.tsx'
import { RadioCards } from '@/app/_ui/field.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import type { KeboolaRights } from '@/lib/providers/keboola/rights.ts'
import type { Reach } from '@/lib/providers/keboola/roles.ts'
import type { Picker, PickProps, Schema } from './picker.ts'

type Named = { id: string; name: string }
/** An instance of the version before says nothing of what cannot be given. */
type KeboolaChoices = { components: Named[]; buckets: Named[] } & Partial<Reach>

/** What reaches beyond the things that are named. */
const wide = [
  {
    right: 'manage_buckets',
    label: 'Manage buckets',
    hint: 'Create, share and delete any bucket, including future ones. Includes write access to all buckets.',
  },
  { right: 'read_all_files', label: 'Read all files', hint: 'Read every file in the project, including future ones.' },
  {
    right: 'manage_tokens',
    label: 'Manage tokens',
    hint: 'See and end the tokens of everybody in the project, and take them over: with a token of somebody else it can do what they can.',
  },
] as const

const storageNone = { components: [], buckets: {}, manage_buckets: false, read_all_files: false, manage_tokens: false }

/** Whether a right can be asked for in this way. */
const asks = ({ properties }: Schema, right: keyof KeboolaRights) =>
  typeof properties === 'object' && properties !== null && right in properties

export const keboolaPicker: Picker<KeboolaRights, KeboolaChoices> = {
  none: storageNone,
  isEmpty: ({ components, buckets, read_project, write_project, ...rest }) =>
    components.length === 0 &&
    Object.keys(buckets).length === 0 &&
    !wide.some(({ right }) => rest[right]) &&
    !read_project &&
    !write_project,
  refusal: ({ refused = null }, schema) => (asks(schema, 'read_project') ? null : refused),
  stillThere(rights, { components, buckets, refused = null, unavailable = {} }, schema) {
    const write = rights.write_project && !unavailable.write_project
    const child = asks(schema, 'read_project') && {
      ...(rights.read_project && { read_project: true }),
      ...(write && { write_project: true }),
    }
    if (refused !== null || !asks(schema, 'buckets')) return { ...storageNone, ...child }
    const kept = wide.map(({ right }) => [right, rights[right] === true && !unavailable[right]])
    return {
      ...storageNone,
      ...Object.fromEntries(kept),
      components: rights.components.filter((id) => components.some((component) => component.id === id)),
      buckets: Object.fromEntries(
        Object.entries(rights.buckets).filter(([id]) => buckets.some((bucket) => bucket.id === id)),
      ),
      ...child,
    }
  },
  Pick: RightsPicker,
}

const labelOf = ({ id, name }: Named) => (name === id ? id : `${name} · ${id}`)

type Props = PickProps<KeboolaRights, KeboolaChoices>

/** The rights of a Storage token, of a child of a session, or where a limit is set for both, of both. */
function RightsPicker(props: Props) {
  const isStorage = asks(props.schema, 'buckets')
  const isChild = asks(props.schema, 'read_project')
  return (
    <>
      {isStorage && <ScopePicker {...props} />}
      {isChild && <ChildPicker {...props} mayBeNone={isStorage} />}
    </>
  )
}

/** How far a child of a session reaches: it has no finer rights than these. */
function ChildPicker({ choices, value, onChange, mayBeNone }: Props & { mayBeNone: boolean }) {
  const name = useId()
  const { read_project, write_project, ...others } = value
  const reason = choices.unavailable?.write_project
  return (
    <RadioCards
      legend={mayBeNone ? 'Children of your session' : 'Access'}
      name={name}
      value={write_project ? 'write' : read_project ? 'read' : mayBeNone ? 'none' : ''}
      onChange={(reach) =>
        onChange({
          ...others,
          ...(reach === 'read' && { read_project: true }),
          ...(reach === 'write' && { write_project: true }),
        })
      }
      options={[
        ...(mayBeNone ? [{ value: 'none', label: 'None' }] : []),
        {
          value: 'read',
          label: 'Read the whole project',
          hint: 'Everything in this project that you may read. Nothing can be changed.',
        },
        {
          value: 'write',
          label: 'Everything that you may do in the project',
          hint: reason ?? 'It can also make tokens that live on after it ends.',
          disabled: reason !== undefined,
        },
      ]}
    />
  )
}

/** What the token may do: nothing until it is ticked; what reaches far stands apart, and what cannot be given says why. */
function ScopePicker({ choices, value, onChange }: Props) {
  const { refused = null, unavailable = {} } = choices
  return (
    <fieldset className="flex min-w-0 flex-col gap-3" disabled={refused !== null}>
      <legend className="mb-1 font-semibold">Access</legend>
      {refused !== null && (
        <Notice
          tone="attention"
          title="No right can be given to a token here"
          meaning={refused}
          next="A token that works through Valetkey can do what you may, within rules."
        />
      )}
      <CheckboxGroup
        label="Components"
        options={choices.components.map((component) => ({ value: component.id, label: labelOf(component) }))}
        value={value.components}
        onChange={(components) => onChange({ ...value, components })}
      />
      <BucketRights
        buckets={choices.buckets}
        value={value.buckets}
        onChange={(buckets) => onChange({ ...value, buckets })}
      />
      <fieldset className="min-w-0 rounded-lg border border-attention/40 bg-surface px-3 py-2">
        <legend className="px-1 font-semibold">Whole project</legend>
        {wide.map(({ right, label, hint }) => (
          <Checkbox
            key={right}
            label={label}
            hint={unavailable[right] ?? hint}
            checked={value[right] === true}
            disabled={unavailable[right] !== undefined}
            onChange={(event) => onChange({ ...value, [right]: event.target.checked })}
          />
        ))}
      </fieldset>
    </fieldset>
  )
}

type BucketRightsProps = {
  buckets: Named[]
  value: KeboolaRights['buckets']
  onChange: (buckets: KeboolaRights['buckets']) => void
}

/** Buckets, each with read or write; writing includes reading. */
function BucketRights({ buckets, value, onChange }: BucketRightsProps) {
  const [needle, setNeedle] = useState('')
  const chosen = buckets.filter((bucket) => value[bucket.id])
  const all = buckets.length > 0 && chosen.length === buckets.length
  const shown = buckets.filter((bucket) => labelOf(bucket).toLowerCase().includes(needle.trim().toLowerCase()))

  function set(id: string, right: 'read' | 'write' | null) {
    const { [id]: _, ...others } = value
    onChange(right ? { ...others, [id]: right } : others)
  }
  const readAll = () => onChange(Object.fromEntries(buckets.map(({ id }) => [id, value[id] ?? 'read'])))

  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">Buckets</legend>
      <div className="flex items-center justify-between gap-3 px-3 py-1">
        <Checkbox
          label={<span className="font-semibold">Buckets</span>}
          aria-label="Buckets: read all"
          checked={all}
          indeterminate={!all && chosen.length > 0}
          disabled={buckets.length === 0}
          onChange={() => (all ? onChange({}) : readAll())}
        />
        <span className="text-muted tabular-nums">
          {chosen.length}/{buckets.length}
        </span>
      </div>
      {buckets.length >= 9 && (
        <div className="border-t px-3 py-2">
          <input
            type="search"
            aria-label="Filter buckets"
            placeholder="Filter the list"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
            className="h-8 w-full rounded-lg border border-edge bg-surface px-2 placeholder:text-muted"
          />
        </div>
      )}
      <div className="max-h-64 overflow-y-auto border-t px-3 py-1">
        {shown.map((bucket) => (
          <div key={bucket.id} className="flex min-h-8 items-center justify-between gap-3 py-1">
            <span className="wrap-anywhere min-w-0">{labelOf(bucket)}</span>
            <span className="flex shrink-0 gap-4">
              {(['read', 'write'] as const).map((right) => (
                <label
                  key={right}
                  htmlFor={`${bucket.id} ${right}`}
                  className="flex min-h-6 items-center gap-2 has-disabled:text-muted"
                >
                  <Tick
                    id={`${bucket.id} ${right}`}
                    aria-label={`${right} ${bucket.id}`}
                    checked={value[bucket.id] === 'write' || value[bucket.id] === right}
                    onChange={(event) =>
                      set(bucket.id, event.target.checked ? right : right === 'write' ? 'read' : null)
                    }
                  />
                  {right}
                </label>
              ))}
            </span>
          </div>
        ))}
        {shown.length === 0 && (
          <p className="py-2 text-muted">
            {needle ? `Nothing matches “${needle}”.` : 'You cannot see any bucket in this project.'}
          </p>
        )}
      </div>
    </fieldset>
  )
}
