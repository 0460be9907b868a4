import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { Input } from '@/app/_ui/field.tsx'
import type { KindView } from '@/lib/broker/providers.ts'

type Settings = KindView['settings']
type Props = {
  settings: Settings
  /** As typed, by their names on the wire; of a switch `true` or `false`. */
  values: Record<string, string>
  onChange: (values: Record<string, string>) => void
  /** Empty ones mean their default. */
  optional?: boolean
  faultOf?: (field: string) => string | undefined
}

/** What the kind of a provider lets an admin set: numbers and switches. */
export function SettingInputs({ settings, values, onChange, optional = false, faultOf }: Props) {
  return settings.map((setting) => {
    const { name, label, hint } = setting
    const error = faultOf?.(`settings.${name}`)
    const set = (text: string) => onChange({ ...values, [name]: text })
    if (setting.is === 'switch')
      return (
        <Checkbox
          key={name}
          label={label}
          hint={hint}
          checked={values[name] === 'true'}
          onChange={(event) => set(String(event.target.checked))}
        />
      )
    return (
      <Input
        key={name}
        label={`${label}, in ${setting.unit}s`}
        type="number"
        inputMode="numeric"
        required={!optional}
        optional={optional}
        min={setting.min}
        max={setting.max}
        step={1}
        hint={hint}
        autoComplete="off"
        value={values[name] ?? ''}
        onChange={(event) => set(event.target.value)}
        {...(error !== undefined && { error })}
      />
    )
  })
}

/** Present values, or defaults, as they are typed. */
export const typedSettings = (settings: Settings): Record<string, string> =>
  Object.fromEntries(settings.map(({ name, value }) => [name, value === undefined ? '' : String(value)]))

/** What was typed and is not what it was, as it is sent. */
export const changedSettings = (settings: Settings, values: Record<string, string>) =>
  Object.fromEntries(
    settings.flatMap(({ name, is, value }) => {
      const text = values[name] ?? ''
      if (text === '' || text === String(value)) return []
      return [[name, is === 'switch' ? text === 'true' : Number(text)]]
    }),
  )
