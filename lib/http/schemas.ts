import { z } from 'zod'
import { countLimit } from '../broker/inventory.ts'

/** Building blocks of the wire: snake_case, strict, every string bounded. */
export const object = z.strictObject
export const id = z.string().min(1).max(64)
/** RFC 3339 in UTC. */
export const instant = z.iso.datetime()
export const role = z.enum(['owner', 'admin', 'member', 'auditor'])
/** What people write: no control or direction characters, trimmed, one line (IV-05). */
export const line = (max: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(max)
    .regex(/^[^\p{Cc}\p{Cf}\u2028\u2029]*$/u, 'must be one line of plain text')

/** What scripts call a project, and the name of a tenant in addresses. */
export const alias = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and hyphens, at most 63')
/** Names as people write them, in one Unicode form so that two that look alike are alike (NFKC). */
export const name = z
  .string()
  .max(320)
  .transform((text) => text.normalize('NFKC'))
  .pipe(line(80))
/** A number of things that is counted up to a bound and no further, and whether there are more. */
export const counted = z.int().min(0).max(countLimit).describe(`Counted up to ${countLimit} and no further`)
export const isCapped = z.boolean().describe('There are more than were counted')

/** A page of a list that says how long it is. */
export const page = <S extends z.ZodType>(one: S) =>
  object({
    items: z.array(one),
    /** How many match, on all pages. */
    total: counted,
    total_is_capped: isCapped,
    /** What to ask the next page `before`; null: this is the last. */
    next: id.nullable(),
  })
export const items = <S extends z.ZodType>(one: S) => object({ items: z.array(one) })

/** The answer of an operation that streams. */
export const textStream = z.custom<AsyncIterable<string>>(
  (value) => typeof value === 'object' && value !== null && Symbol.asyncIterator in value,
)

/** RFC 9457, as every error answers. */
export const problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  /** One of lib/errors.ts; new ones may appear. */
  code: z.string(),
  /** What to do next, for a person. */
  next: z.string(),
  request_id: z.string(),
  /** Field path -> what is wrong with it. */
  fields: z.record(z.string(), z.string()).optional(),
})
