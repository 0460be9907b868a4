import { z } from 'zod'
import { hash } from '../security/secrets.ts'
import { canonical } from '../security/strict-json.ts'

/** A tool of a server, as the catalogue keeps it: what a person would look at, and its mark. */
export type Tool = {
  name: string
  /** SHA-256 in hex, over all that a person would look at, as the server said it. */
  hash: string
  definition: Definition
  /** The server's own word. */
  readOnly: boolean
  destructive: boolean
}

/** For display: cleaned, and cut where it is long. */
export type Definition = {
  title: string | null
  description: string | null
  /** Null: it has none, or one that is too long to show. */
  inputSchema: unknown
  outputSchema: unknown
  annotations: Record<string, unknown>
  /** Something is left out, so that nobody takes this for all of it. */
  isCut: boolean
}

/** As rights spell names (lib/providers/mcp/rights.ts): what has another name can be allowed by nobody, and is none here. */
const nameForm = /^[ -~\u00a0-\uffff]{1,500}$/
export const isNameable = (name: string): boolean => nameForm.test(name) && name.isWellFormed()

/** What a reader does not see, or what changes the order of what they see (Unicode TR 36 3.2, TR 9 2). */
const unseen = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029\u{e0000}-\u{e0fff}]/gu

/** Text of a server for a person: lines stay, what is not seen goes. */
export function cleaned(text: string, charactersMax: number): string {
  const seen = text
    .toWellFormed()
    .replaceAll('\r\n', '\n')
    .replace(unseen, (one) => (one === '\n' || one === '\t' ? one : ''))
  return seen.length > charactersMax ? `${seen.slice(0, charactersMax).toWellFormed()}…` : seen
}

const limits = { title: 200, description: 8_000, schema: 24_000, annotations: 2_000 }

const Annotations = z.looseObject({ readOnlyHint: z.boolean().optional(), destructiveHint: z.boolean().optional() })
/** As every revision has it; what is not of this form is no tool. */
const Listed = z.looseObject({
  name: z.string(),
  title: z.string().optional(),
  description: z.string().optional(),
  inputSchema: z.looseObject({}),
  outputSchema: z.looseObject({}).optional(),
  annotations: Annotations.optional(),
})

/** Reads one entry of a list of tools; undefined: it is none that could be called here. */
export function toolOf(entry: unknown): Tool | undefined {
  const found = Listed.safeParse(entry)
  if (!found.success || !isNameable(found.data.name)) return undefined
  const { name, title, description, inputSchema, outputSchema, annotations = {} } = found.data
  const looked = canonical({ title, description, inputSchema, outputSchema, annotations })
  const readOnly = annotations.readOnlyHint === true
  return {
    name,
    hash: Buffer.from(hash(looked)).toString('hex'),
    definition: shown({ title, description, inputSchema, outputSchema, annotations }),
    readOnly,
    // What says nothing may destroy (schema.ts, ToolAnnotations).
    destructive: !readOnly && annotations.destructiveHint !== false,
  }
}

/** The tools of a list, each name once: of two with one name the first counts, and nobody sees the other. */
export function toolsIn(entries: readonly unknown[]): { entry: unknown; tool: Tool }[] {
  const found = new Map<string, { entry: unknown; tool: Tool }>()
  for (const entry of entries) {
    const tool = toolOf(entry)
    if (tool && !found.has(tool.name)) found.set(tool.name, { entry, tool })
  }
  return [...found.values()]
}

/** A resource, a template of resources or a prompt, as the catalogue keeps it: what rights name it by, cleaned words beside it. */
export type Offer = { name: string; title: string | null; description: string | null }
const Offered = z.looseObject({
  title: z.string().optional(),
  name: z.string().optional(),
  description: z.string().optional(),
})
const offerDescription = 600

/**
 * What a list of them has that rights can name, each once. `key`: the member that names it; a name beside an address is a title
 * for people, as a `title` is.
 */
export function offersIn(entries: readonly unknown[], key: string): Offer[] {
  const found = new Map<string, Offer>()
  for (const entry of entries) {
    const { data } = Offered.safeParse(entry)
    const name = data?.[key]
    if (typeof name !== 'string' || !isNameable(name) || found.has(name)) continue
    const title = data?.title ?? (key === 'name' ? undefined : data?.name)
    const description = data?.description
    found.set(name, {
      name,
      title: title === undefined ? null : cleaned(title, limits.title),
      description: description === undefined ? null : cleaned(description, offerDescription),
    })
  }
  return [...found.values()]
}

type Looked = Pick<z.infer<typeof Listed>, 'title' | 'description' | 'inputSchema' | 'outputSchema' | 'annotations'>

function shown({ title, description, inputSchema, outputSchema, annotations }: Looked): Definition {
  const schemas = [inputSchema, outputSchema].map((one) => fitting(one, limits.schema))
  const notes = fitting(annotations, limits.annotations)
  const isCut =
    (title?.length ?? 0) > limits.title ||
    (description?.length ?? 0) > limits.description ||
    schemas.some((one) => one === tooLong) ||
    notes === tooLong
  const or = (one: unknown) => (one === tooLong || one === undefined ? null : one)
  return {
    title: title === undefined ? null : cleaned(title, limits.title),
    description: description === undefined ? null : cleaned(description, limits.description),
    inputSchema: or(schemas[0]),
    outputSchema: or(schemas[1]),
    annotations: notes === tooLong ? {} : ((notes ?? {}) as Record<string, unknown>),
    isCut,
  }
}

const tooLong = Symbol('too long')

/** The same with every text in it cleaned, where it is no longer than so many characters of JSON. */
function fitting(value: unknown, charactersMax: number): unknown {
  if (value === undefined) return undefined
  const text = canonical(value)
  return text.length > charactersMax ? tooLong : cleanedIn(JSON.parse(text))
}

function cleanedIn(value: unknown): unknown {
  if (typeof value === 'string') return cleaned(value, limits.description)
  if (Array.isArray(value)) return value.map(cleanedIn)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [cleaned(name, 500), cleanedIn(inner)]))
}

/** Of the server itself. */
export type ServerInfo = { name: string; title: string | null; version: string }
const Info = z.looseObject({ name: z.string(), title: z.string().optional(), version: z.string().optional() })

export function serverInfoOf(info: unknown): ServerInfo {
  const { name = '', title, version = '' } = Info.safeParse(info).data ?? {}
  return {
    name: cleaned(name, 200),
    title: title === undefined ? null : cleaned(title, 200),
    version: cleaned(version, 100),
  }
}
