import { z } from 'zod'
import { instantOrNull, object } from './schemas.ts'

const counts = {
  requests: z.int().min(0).describe('Passed on to the upstream'),
  refused: z.int().min(0).describe('Refused here, by a rule or a limit; none of the requests'),
  bytes_sent: z.int().min(0).describe('Of bodies: to the upstream, and back'),
  bytes_received: z.int().min(0),
}

/** What went through the proxy. */
export const use = object({
  days: z.array(object({ day: z.iso.date(), ...counts })).describe('The latest 14 days in UTC, the oldest first'),
  totals: object(counts),
  last_used_at: instantOrNull.describe('Null: nobody used it'),
})
