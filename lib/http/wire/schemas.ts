import { z } from 'zod'
import { countLimit } from '../../broker/read/page.ts'
import { type IdKind, idPattern } from '../../security/ids.ts'

/**
 * Building blocks of the wire: snake_case, strict, every string bounded. Patterns are written so that every validator
 * reads them alike (JSON Schema 6.4): no \p, \w or \s, which languages understand differently.
 */
export const object = z.strictObject
/** In answers. What comes in is of a kind. */
export const id = z.string().min(1).max(64)
export const idOf = (kind: IdKind) => z.string().regex(idPattern(kind), `must be an id of the kind ${kind}`)
/** RFC 3339 in UTC. */
export const instant = z.iso.datetime()
export const instantOrNull = instant.nullable()
/** ISO 8601 in UTC, in a syntax that every language reads, and without the year 0, which Postgres does not know. */
const utc = z.regexes
  .datetime({})
  .source.replace('[02468][048]00', '(?:[2468][048]|0[48])00')
  .replace('\\d{4}-', '(?:[1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])-')
  .replaceAll('\\d', '[0-9]')
/** The same in what comes in, where it becomes a date. */
export const instantGiven = z
  .string()
  .regex(new RegExp(utc), 'must be a time in UTC such as 2030-01-31T12:00:00Z')
  .transform((text) => new Date(text))
/** A right as a person reads it. */
export const rightLine = object({ text: z.string(), risk: z.enum(['low', 'medium', 'high']) })
export const role = z.enum(['owner', 'admin', 'member', 'auditor'])

/** Unicode's Cc and Cf, the line and the paragraph separator, as ranges (IV-05). A test compares them with Node's Unicode. */
const unprintable =
  String.raw`\u0000-\u001f\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u180e\u200b-\u200f` +
  String.raw`\u2028-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb` +
  '\u{110bd}\u{110cd}\u{13430}-\u{1343f}\u{1bca0}-\u{1bca3}\u{1d173}-\u{1d17a}\u{e0001}\u{e0020}-\u{e007f}'
/** What trim() takes away, beside what is unprintable. */
const spaces = String.raw` \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000`

/** A string of at most `max` characters, counted as JSON Schema counts them: code points. */
const bounded = (schema: z.ZodString, max: number) =>
  schema.refine((text) => [...text].length <= max, `must be at most ${max} characters`)

/** Any text, kept nowhere. */
export const text = (max: number) => bounded(z.string(), max).meta({ maxLength: max })

/** What people write: no control or direction characters, trimmed, one line that is not blank (IV-05). */
export const line = (max: number) =>
  bounded(
    z
      .string()
      .regex(
        new RegExp(`^[${spaces}]*[^${unprintable}${spaces}][^${unprintable}]*$`, 'u'),
        'must be one line of plain text',
      ),
    max,
  )
    .trim()
    .meta({ minLength: 1, maxLength: max })

/** A secret that another server gave out, as it is. */
export const secret = (max: number) =>
  bounded(z.string().regex(new RegExp(`^[^${unprintable}]+$`, 'u'), 'must be one line of plain text'), max).meta({
    minLength: 1,
    maxLength: max,
  })

/** An address of another server; whether it may be used is judged where it is known what for (F-07). */
export const address = (max: number) =>
  bounded(
    z.string().regex(new RegExp(`^https?://[^${unprintable}${spaces}]+$`, 'u'), 'must be an http or https address'),
    max,
  ).meta({ maxLength: max })

/** A development branch of a project, by the upstream's id. */
export const branch = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, hyphens')

/** What scripts call a project, and the name of a tenant in addresses. */
export const alias = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lowercase letters, digits and hyphens, at most 63 characters')
/** Names as people write them, in one Unicode form so that two that look alike are alike; 80 characters in either form. */
export const name = line(80)
  .transform((given) => given.normalize('NFKC'))
  .pipe(line(80))
/** Why somebody did something, in their own words; those whom it concerns read it. */
export const reason = line(300).or(z.literal(''))
/** A number of things that is counted up to a bound and no further, and whether there are more. */
export const counted = z.int().min(0).max(countLimit).describe(`Counted up to ${countLimit} only`)
export const isCapped = z.boolean().describe('Whether there are more than were counted')

/** A page of a list that says how long it is. */
export const page = <S extends z.ZodType>(one: S) =>
  object({
    items: z.array(one),
    total: counted.describe(`How many match, on all pages, counted up to ${countLimit} only`),
    total_is_capped: isCapped,
    next: id.nullable().describe('What to ask the next page `before`; null: this is the last'),
  })
/** A list that names nothing twice. */
export const distinct = <S extends z.ZodType>(list: z.ZodArray<S>) =>
  list.refine((given) => new Set(given).size === given.length, 'names one twice').meta({ uniqueItems: true })
export const items = <S extends z.ZodType>(one: S) => object({ items: z.array(one) })

/** For `meta({ anyOf })`: JSON Schema for an object whose property `name` is there and is `such`. */
export const atLeast = (name: string, such: object) => ({ required: [name], properties: { [name]: such } })

/** JSON Schema of what is sent to us, for `meta`: only described where it stands, checked elsewhere. */
export function schemaOf(schema: z.ZodType): Record<string, unknown> {
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', unrepresentable: 'any' })
  return rest
}

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
  code: z.string().describe('New ones may appear'),
  next: z.string().describe('What to do next, for a person'),
  request_id: z.string(),
  fields: z.record(z.string(), z.string()).optional().describe('Field path -> what is wrong with it'),
})
