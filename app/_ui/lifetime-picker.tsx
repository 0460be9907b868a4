'use client'
import { useId, useState } from 'react'
import { useNow } from './clock.ts'
import { cn } from './cn.ts'
import { durationText, localShortText } from './time-text.ts'

const presets = [
  [900, '15 min'],
  [3_600, '1 h'],
  [7_200, '2 h'],
  [28_800, '8 h'],
  [86_400, '24 h'],
] as const

export type LifetimePickerProps = {
  valueSeconds: number
  onChange: (seconds: number) => void
  maxSeconds: number
  /** Who sets the cap: "the project", "your tenant". */
  cappedBy?: string
  minSeconds?: number
}

/** How long a token lives: presets within the cap or minutes of one's own, and the local time at which that ends. */
export function LifetimePicker({ valueSeconds, onChange, maxSeconds, cappedBy, minSeconds = 60 }: LifetimePickerProps) {
  const id = useId()
  const now = useNow('second')
  const offered = presets.filter(([seconds]) => seconds >= minSeconds && seconds <= maxSeconds)
  const [custom, setCustom] = useState(() => !offered.some(([seconds]) => seconds === valueSeconds))
  const error = lifetimeError(valueSeconds, minSeconds, maxSeconds)
  const pill = 'relative inline-flex h-10 items-center rounded-lg border border-edge bg-surface px-3 hover:bg-raised'
  const picked = 'border-accent bg-accent-tint font-semibold'

  return (
    <fieldset className="flex min-w-0 flex-col gap-2" aria-describedby={`${id}-end`}>
      <legend className="mb-1 font-semibold">Expires</legend>
      <div className="flex flex-wrap gap-2">
        {offered.map(([seconds, label]) => (
          <Pill
            key={seconds}
            name={id}
            label={label}
            checked={!custom && seconds === valueSeconds}
            className={cn(pill, !custom && seconds === valueSeconds && picked)}
            onPick={() => {
              setCustom(false)
              onChange(seconds)
            }}
          />
        ))}
        <Pill
          name={id}
          label="Custom"
          checked={custom}
          className={cn(pill, custom && picked)}
          onPick={() => setCustom(true)}
        />
        {custom && (
          <label htmlFor={`${id}-minutes`} className="flex items-center gap-2">
            <input
              id={`${id}-minutes`}
              type="number"
              inputMode="numeric"
              min={Math.ceil(minSeconds / 60)}
              max={Math.floor(maxSeconds / 60)}
              step={1}
              defaultValue={Math.round(valueSeconds / 60) || ''}
              aria-invalid={error ? true : undefined}
              aria-describedby={`${id}-end`}
              onChange={(event) => onChange(Math.round(Number(event.target.value) * 60))}
              className="h-10 w-24 rounded-lg border border-edge bg-surface px-3 text-[16px] tabular-nums aria-invalid:border-broken"
            />
            minutes
          </label>
        )}
      </div>
      <p id={`${id}-end`} aria-live="polite" className={cn('tabular-nums', error ? 'text-broken' : 'text-muted')}>
        {error ?? (now === null ? '' : `Expires ${localShortText(now + valueSeconds * 1_000)}, your time`)}
        {!error && cappedBy && `${now === null ? 'C' : ' · c'}apped at ${durationText(maxSeconds)} by ${cappedBy}`}
      </p>
    </fieldset>
  )
}

type PillProps = { name: string; label: string; checked: boolean; className: string; onPick: () => void }

function Pill({ name, label, checked, className, onPick }: PillProps) {
  return (
    <label className={cn(className, 'has-focus-visible:outline-2 has-focus-visible:outline-accent outline-offset-2')}>
      <input type="radio" name={name} checked={checked} onChange={onPick} className="absolute inset-0 opacity-0" />
      {label}
    </label>
  )
}

/** Why a lifetime is not possible, in a sentence; undefined when it is. */
export function lifetimeError(seconds: number, minSeconds: number, maxSeconds: number): string | undefined {
  if (!Number.isFinite(seconds) || seconds <= 0) return 'Enter a number of minutes.'
  if (seconds < minSeconds) return `The shortest is ${durationText(minSeconds)}.`
  if (seconds > maxSeconds) return `The longest is ${durationText(maxSeconds)}.`
}
