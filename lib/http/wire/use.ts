import { z } from 'zod'
import { instantOrNull, object } from './schemas.ts'

const counts = {
  /** Passed on to the upstream. */
  requests: z.int().min(0),
  /** Refused here, by a rule or a limit; none of the requests. */
  refused: z.int().min(0),
  /** Of bodies: to the upstream, and back. */
  bytes_sent: z.int().min(0),
  bytes_received: z.int().min(0),
}

/** What went through the proxy. */
export const use = object({
  /** The latest 14 days in UTC, the oldest first. */
  days: z.array(object({ day: z.iso.date(), ...counts })),
  totals: object(counts),
  /** Null: nobody used it. */
  last_used_at: instantOrNull,
})
