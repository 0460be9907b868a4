import { Input } from '@/app/_ui/field.tsx'
import type { KindView } from '@/lib/broker/providers.ts'

type Props = {
  settings: KindView['settings']
  /** As typed, by their names on the wire. */
  values: Record<string, string>
  onChange: (values: Record<string, string>) => void
  /** Empty ones mean their default. */
  optional?: boolean
  faultOf?: (field: string) => string | undefined
}

/** What the kind of a provider lets an admin set: numbers. */
export function SettingInputs({ settings, values, onChange, optional = false, faultOf }: Props) {
  return settings.map(({ name, label, unit, hint, min, max }) => {
    const error = faultOf?.(`settings.${name}`)
    return (
      <Input
        key={name}
        label={`${label}, in ${unit}s`}
        type="number"
        inputMode="numeric"
        required={!optional}
        optional={optional}
        min={min}
        max={max}
        step={1}
        hint={hint}
        autoComplete="off"
        value={values[name] ?? ''}
        onChange={(event) => onChange({ ...values, [name]: event.target.value })}
        {...(error !== undefined && { error })}
      />
    )
  })
}
