import { z } from 'zod'
import { DescribedScope } from '../oauth/rights.ts'

/** What is kept of an audience; snake_case, as it stands on the wire. */
export const Audience = z.strictObject({
  /** What its tokens may be given: nothing else. */
  scopes: z
    .array(DescribedScope)
    .min(1, 'Name at least one scope.')
    .max(50)
    .refine((scopes) => new Set(scopes.map(({ name }) => name)).size === scopes.length, 'names one twice'),
  /** Its tokens are signed: a resource server verifies them by itself, and nothing takes them back before their end. */
  offline: z.boolean(),
})

/** Of the provider alone there is nothing to keep. */
export const OwnSettings = z.strictObject({
  scopes: z.array(DescribedScope).default([]),
  offline: z.boolean().default(false),
})
export type OwnSettings = z.infer<typeof OwnSettings>
