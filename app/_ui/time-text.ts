const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

/** "4 min ago", "in 3 h", "just now": the distance from `now` to `at` (epoch ms). */
export function relativeText(at: number, now: number): string {
  const distance = Math.abs(at - now)
  // What was written a moment ago may lie ahead of a page's clock, which moves in steps of 15 s.
  if (distance < minute) return at - now > 15_000 ? 'in under a minute' : 'just now'
  const size =
    distance < hour
      ? `${Math.floor(distance / minute)} min`
      : distance < 2 * day
        ? `${Math.floor(distance / hour)} h`
        : `${Math.floor(distance / day)} d`
  return at > now ? `in ${size}` : `${size} ago`
}

/** "12:04" until zero (minutes and seconds). */
export function countdownText(leftMs: number): string {
  const seconds = Math.max(0, Math.floor(leftMs / 1_000))
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}

/** The same on every machine: "2026-11-20 14:05 UTC". */
export const utcText = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`

const exact = { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' } as const
const clockTime = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' } as const

/** In the reader's zone, which is named: "Fri, 20 Nov 2026, 15:05:12 GMT+1". Only for the browser. */
export const localText = (at: number): string =>
  new Intl.DateTimeFormat('en-GB', { ...exact, ...clockTime, second: '2-digit', timeZoneName: 'short' }).format(at)

/** "Fri 15:05" in the reader's zone. Only for the browser. */
export const localShortText = (at: number): string =>
  new Intl.DateTimeFormat('en-GB', { weekday: 'short', ...clockTime }).format(at).replace(',', '')

/** "45 min", "2 h", "1 h 30 min". */
export function durationText(seconds: number): string {
  const hours = Math.floor(seconds / 3_600)
  const minutes = Math.round((seconds % 3_600) / 60)
  return [hours && `${hours} h`, minutes && `${minutes} min`].filter(Boolean).join(' ') || `${seconds} s`
}
