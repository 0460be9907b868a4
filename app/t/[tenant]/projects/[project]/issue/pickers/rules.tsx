'use client'
import { Plus, Trash2, TriangleAlert } from 'lucide-react'
import { useId } from 'react'
import { Button, IconButton } from '@/app/_ui/button.tsx'
import { Tick } from '@/app/_ui/checkbox.tsx'
import { cn } from '@/app/_ui/cn.ts'
import { Input, RadioCards } from '@/app/_ui/field.tsx'
import type { RulesWay } from '@/lib/broker/read/offer.ts'
import type { NamedRules } from '@/lib/providers/kind.ts'
import { methods, placeholdersIn } from '@/lib/providers/patterns.ts'
import type { Rules } from '@/lib/providers/rules.ts'
import { emptyRow, type PathRow, type RulesDraft, rowFault, valueFault } from './rules-draft.ts'

type Props = {
  way: RulesWay
  /** The address of the upstream's API. */
  api: string
  value: RulesDraft
  onChange: (draft: RulesDraft) => void
}

/** What a token may do that works through us: nothing until it is chosen. */
export function RulesPicker({ way, api, value, onChange }: Props) {
  const name = useId()
  const { readOnly, named, never } = way
  const { access, rows, ticked } = value
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <RadioCards
        legend="Access"
        name={name}
        value={access === 'read_only' && !readOnly ? '' : (access ?? '')}
        onChange={(access) => onChange({ ...value, access: access as Rules['access'] })}
        options={[
          {
            value: 'read_only',
            label: 'Read only',
            disabled: !readOnly,
            hint: readOnly
              ? 'GET and HEAD, on every path.'
              : 'Not here: this API reads by POST or changes things by GET, so the method does not say which it is.',
          },
          { value: 'paths', label: 'These paths', hint: 'Only the methods and paths that you choose below.' },
          {
            value: 'everything',
            label: 'Everything my connection can do',
            hint: (
              <>
                Every method, on every path.{' '}
                <span className="inline-flex items-center gap-1 whitespace-nowrap text-attention">
                  <TriangleAlert aria-hidden className="size-3.5 shrink-0" />
                  High risk
                </span>
              </>
            ),
          },
        ]}
      />
      {access === 'paths' && (
        <>
          {named.length > 0 && (
            <NamedList named={named} value={ticked} onChange={(ticked) => onChange({ ...value, ticked })} />
          )}
          <PathRows api={api} rows={rows} onChange={(rows) => onChange({ ...value, rows })} />
        </>
      )}
      {never.length > 0 && (
        <details className="text-[14px] leading-5">
          <summary className="cursor-pointer text-muted">What never passes</summary>
          <p className="mt-1 text-muted">Under any rule, because it would make something that outlives the token:</p>
          <ul className="mt-1 flex flex-col gap-1">
            {never.map((pattern) => (
              <li key={pattern} className="wrap-anywhere font-mono text-[13px]">
                {pattern}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}

type NamedProps = {
  named: readonly NamedRules[]
  value: RulesDraft['ticked']
  onChange: (ticked: RulesDraft['ticked']) => void
}

/** Rules that were put together for this upstream; what they leave open is asked for. */
function NamedList({ named, value, onChange }: NamedProps) {
  const id = useId()
  function toggle(name: string, on: boolean) {
    const { [name]: before, ...others } = value
    onChange(on ? { ...others, [name]: before ?? {} } : others)
  }
  return (
    <fieldset className="min-w-0 rounded-lg border bg-surface">
      <legend className="sr-only">Common choices</legend>
      <p aria-hidden className="flex min-h-10 items-center px-3 py-1 font-semibold">
        Common choices
      </p>
      <div className="divide-y border-t">
        {named.map(({ name, title, paths }) => {
          const values = value[name]
          const open = placeholdersIn(paths)
          return (
            <div key={name} className="flex flex-col">
              <label htmlFor={`${id} ${name}`} className="flex gap-3 px-3 py-2 hover:bg-raised">
                <Tick
                  id={`${id} ${name}`}
                  checked={values !== undefined}
                  onChange={(event) => toggle(name, event.target.checked)}
                  className="mt-0.5"
                />
                <span className="flex min-w-0 flex-col text-[14px] leading-5">
                  <span>{title}</span>
                  {paths.map((path) => (
                    <code key={path} className="wrap-anywhere font-mono text-[13px] text-muted">
                      {path}
                    </code>
                  ))}
                </span>
              </label>
              {values && open.length > 0 && (
                <div className="grid gap-3 px-3 pt-1 pb-3 pl-10 sm:grid-cols-2">
                  {open.map((one) => (
                    <Input
                      key={one}
                      label={inWords(one)}
                      placeholder="* for any"
                      autoComplete="off"
                      autoCapitalize="none"
                      spellCheck={false}
                      maxLength={120}
                      value={values[one] ?? ''}
                      onChange={(event) => onChange({ ...value, [name]: { ...values, [one]: event.target.value } })}
                      {...errorOf(valueFault(values[one] ?? ''))}
                    />
                  ))}
                </div>
              )}
            </div>
          )
        })}
      </div>
    </fieldset>
  )
}

const errorOf = (error: string | undefined) => (error ? { error } : {})
const inWords = (name: string) => `${name[0]?.toUpperCase()}${name.slice(1).replaceAll('_', ' ')}`

type RowsProps = { api: string; rows: PathRow[]; onChange: (rows: PathRow[]) => void }

/** Paths that somebody writes, each with its methods. */
function PathRows({ api, rows, onChange }: RowsProps) {
  const set = (changed: PathRow) => onChange(rows.map((row) => (row.key === changed.key ? changed : row)))
  return (
    <div className="flex min-w-0 flex-col rounded-lg border bg-surface">
      <div className="flex flex-col gap-1 px-3 py-2.5">
        <p className="font-semibold">Paths of your own</p>
        <p className="wrap-anywhere text-[14px] text-muted leading-5">
          Below <code className="font-mono text-[13px]">{api}</code>. <Code>*</Code> is one segment, and{' '}
          <Code>/**</Code> at the end is everything below: <Code>/items/*</Code> is each item, <Code>/items/**</Code>{' '}
          also what belongs to it. GET includes HEAD.
        </p>
      </div>
      {rows.map((row, index) => (
        <Row
          key={row.key}
          row={row}
          number={index + 1}
          onChange={set}
          onRemove={() => onChange(rows.filter(({ key }) => key !== row.key))}
        />
      ))}
      <div className="border-t px-3 py-2">
        <Button size="sm" onClick={() => onChange([...rows, emptyRow(rows)])}>
          <Plus aria-hidden />
          Add a path
        </Button>
      </div>
    </div>
  )
}

const Code = ({ children }: { children: string }) => (
  <code className="whitespace-nowrap font-mono text-[13px] text-ink">{children}</code>
)

/** Those that people choose among; the rest is shown where an earlier token has it. */
const usual = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE']

type RowProps = { row: PathRow; number: number; onChange: (row: PathRow) => void; onRemove: () => void }

function Row({ row, number, onChange, onRemove }: RowProps) {
  const id = useId()
  const all = row.methods.includes('*')
  const toggle = (method: string, on: boolean) =>
    onChange({
      ...row,
      methods: methods.filter((each) => (each === method ? on : row.methods.includes(each))),
    })
  const error = rowFault(row)
  const lacksMethod = !error && row.path.trim() !== '' && row.methods.length === 0
  return (
    <fieldset className="flex min-w-0 flex-col gap-2 border-t px-3 py-3">
      <legend className="sr-only">Path {number}</legend>
      <div className="flex min-w-0 flex-wrap gap-1.5">
        {methods
          .filter((method) => usual.includes(method) || row.methods.includes(method))
          .map((method) => (
            <Chip
              key={method}
              id={`${id} ${method}`}
              label={method}
              checked={all || row.methods.includes(method)}
              disabled={all}
              onChange={(on) => toggle(method, on)}
            />
          ))}
        <Chip
          id={`${id} all`}
          label="any"
          checked={all}
          onChange={(on) => onChange({ ...row, methods: on ? ['*'] : [] })}
        />
      </div>
      <div className="flex items-center gap-2">
        <input
          id={id}
          aria-label={`Path ${number}`}
          aria-describedby={error || lacksMethod ? `${id}-fault` : undefined}
          aria-invalid={error ? true : undefined}
          placeholder="/items/*"
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          maxLength={400}
          value={row.path}
          onChange={(event) => onChange({ ...row, path: event.target.value })}
          className="h-10 min-w-0 flex-1 rounded-lg border border-edge bg-surface px-3 font-mono text-[16px] placeholder:text-muted aria-invalid:border-broken sm:text-[14px]"
        />
        <IconButton label={`Remove path ${number}`} icon={<Trash2 aria-hidden />} onClick={onRemove} />
      </div>
      {(error || lacksMethod) && (
        <p id={`${id}-fault`} className={cn('text-[14px] leading-5', error ? 'text-broken' : 'text-muted')}>
          {error ?? 'Choose at least one method.'}
        </p>
      )}
    </fieldset>
  )
}

type ChipProps = {
  id: string
  label: string
  checked: boolean
  disabled?: boolean
  onChange: (on: boolean) => void
}

function Chip({ id, label, checked, disabled = false, onChange }: ChipProps) {
  return (
    <label
      htmlFor={id}
      className="flex h-8 items-center gap-2 rounded-lg border border-edge px-2 font-mono text-[13px] hover:bg-raised has-checked:border-accent has-checked:bg-accent-tint has-disabled:opacity-60"
    >
      <Tick id={id} checked={checked} disabled={disabled} onChange={(event) => onChange(event.target.checked)} />
      {label}
    </label>
  )
}
