import { ChevronDown } from 'lucide-react'
import { type ComponentProps, type ReactNode, useId } from 'react'
import { cn } from './cn.ts'

export type FieldText = { label: string; hint?: ReactNode; error?: string; optional?: boolean }

/** Ids and ARIA of a labelled control: the control is described by its hint and, when wrong, by its error. */
function describe(id: string, { hint, error }: FieldText) {
  const describedBy = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ')
  return { id, 'aria-describedby': describedBy || undefined, 'aria-invalid': error ? true : undefined }
}

const controlLook =
  'w-full rounded-lg border border-edge bg-surface px-3 text-[16px] leading-6 text-ink placeholder:text-muted disabled:opacity-60 aria-invalid:border-broken'

/** Label, control, hint, error. `id` is the control's. */
export function Field({ id, label, hint, error, optional, children }: FieldText & { id: string; children: ReactNode }) {
  return (
    <div className="flex min-w-0 flex-col gap-1">
      <label htmlFor={id} className="font-semibold">
        {label}
        {optional && <span className="font-normal text-muted"> (optional)</span>}
      </label>
      {children}
      {hint && (
        <p id={`${id}-hint`} className="text-[14px] text-muted leading-5">
          {hint}
        </p>
      )}
      {error && (
        <p id={`${id}-error`} className="text-[14px] text-broken leading-5">
          {error}
        </p>
      )}
    </div>
  )
}

const split = <P extends FieldText>({ label, hint, error, optional, ...control }: P) => ({
  text: { label, hint, error, optional },
  control,
})

export type InputProps = ComponentProps<'input'> & FieldText

/** A labelled line of text. */
export function Input(props: InputProps) {
  const { text, control } = split(props)
  const own = useId()
  const id = props.id ?? own
  return (
    <Field id={id} {...text}>
      <input {...control} {...describe(id, text)} className={cn(controlLook, 'h-10', props.className)} />
    </Field>
  )
}

export type TextareaProps = ComponentProps<'textarea'> & FieldText

/** Labelled text of several lines. */
export function Textarea(props: TextareaProps) {
  const { text, control } = split(props)
  const own = useId()
  const id = props.id ?? own
  return (
    <Field id={id} {...text}>
      <textarea rows={3} {...control} {...describe(id, text)} className={cn(controlLook, 'py-2', props.className)} />
    </Field>
  )
}

export type Option = { value: string; label: string; disabled?: boolean }
export type SelectProps = Omit<ComponentProps<'select'>, 'children'> & FieldText & { options: Option[] }

/** A labelled choice from a list: the platform's own, so it works before scripts and on phones. */
export function Select({ options, ...props }: SelectProps) {
  const { text, control } = split(props)
  const own = useId()
  const id = props.id ?? own
  return (
    <Field id={id} {...text}>
      <span className="relative block">
        <select
          {...control}
          {...describe(id, text)}
          className={cn(controlLook, 'h-10 appearance-none truncate pr-9', props.className)}
        >
          {options.map(({ value, label, disabled }) => (
            <option key={value} value={value} disabled={disabled}>
              {label}
            </option>
          ))}
        </select>
        <ChevronDown aria-hidden className="pointer-events-none absolute top-3 right-3 size-4 text-muted" />
      </span>
    </Field>
  )
}

export type RadioCardOption = Option & { hint?: ReactNode }
export type RadioCardsProps = {
  legend: string
  name: string
  options: RadioCardOption[]
  value?: string
  defaultValue?: string
  onChange?: (value: string) => void
}

/** One of a few, each explained. */
export function RadioCards({ legend, name, options, value, defaultValue, onChange }: RadioCardsProps) {
  return (
    <fieldset className="flex min-w-0 flex-col gap-2">
      <legend className="mb-1 font-semibold">{legend}</legend>
      {options.map((option) => (
        <label
          key={option.value}
          className="flex gap-3 rounded-lg border bg-surface p-3 hover:bg-raised has-checked:border-accent has-checked:bg-accent-tint has-disabled:opacity-60"
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            disabled={option.disabled}
            className="mt-0.5 size-4 shrink-0 accent-accent"
            {...(value === undefined
              ? { defaultChecked: option.value === defaultValue }
              : { checked: option.value === value })}
            {...(onChange && { onChange: () => onChange(option.value) })}
          />
          <span className="flex min-w-0 flex-col">
            <span className="wrap-anywhere font-semibold">{option.label}</span>
            {option.hint && <span className="wrap-anywhere text-muted">{option.hint}</span>}
          </span>
        </label>
      ))}
    </fieldset>
  )
}
