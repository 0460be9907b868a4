'use client'
import { useHydrated, useNow } from './clock.ts'
import { countdownText, localText, relativeText, utcText } from './time-text.ts'
import { Tooltip } from './tooltip.tsx'

export type TimeProps = {
  /** ISO 8601 moment. */
  at: string
  /** ISO moment of the server's render; with it the relative text stands before scripts run. */
  now?: string
  form?: 'relative' | 'exact'
  /** 'focus' (default) adds a tab stop with the exact time; use 'hover' in dense tables whose details show it. */
  hint?: 'focus' | 'hover'
}

/** A moment: relative with the exact time and zone behind it, or exact. UTC until the browser knows the zone. */
export function Time({ at, now, form = 'relative', hint = 'focus' }: TimeProps) {
  const moment = Date.parse(at)
  const present = useNow('minute', now ? Date.parse(now) : null)
  const exact = useHydrated() ? localText(moment) : utcText(moment)
  if (form === 'exact') return <time dateTime={at}>{exact}</time>

  const text = present === null ? utcText(moment) : relativeText(moment, present)
  if (hint === 'hover') {
    return (
      <time dateTime={at} title={exact} className="whitespace-nowrap">
        {text}
      </time>
    )
  }
  return (
    <Tooltip text={<span className="tabular-nums">{exact}</span>} onPress>
      <button type="button" className="cursor-default whitespace-nowrap rounded-sm">
        <time dateTime={at}>{text}</time>
      </button>
    </Tooltip>
  )
}

type CountdownProps = { until: string; now?: string; ended?: string; lead?: string }

/** Time left: minutes and seconds under an hour, after `lead`; relative before that, `ended` afterwards. */
export function Countdown({ until, now, ended = 'ended', lead = '' }: CountdownProps) {
  const end = Date.parse(until)
  const present = useNow('second', now ? Date.parse(now) : null)
  const exact = useHydrated() ? localText(end) : utcText(end)
  return (
    <time dateTime={until} title={exact} className="whitespace-nowrap">
      {present === null ? utcText(end) : leftText(end, present, ended, lead)}
    </time>
  )
}

function leftText(end: number, present: number, ended: string, lead: string): string {
  // Less than a second is not worth a countdown.
  if (end - present < 1_000) return ended
  return end - present < 3_600_000 ? `${lead}${countdownText(end - present)}` : relativeText(end, present)
}
