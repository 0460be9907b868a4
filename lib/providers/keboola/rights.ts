import { z } from 'zod'
import type { RightLine } from '../kind.ts'
import type { Rights } from '../provider.ts'
import { notAllowed, writingNotAllowed } from './roles.ts'
import type { KeboolaSettings } from './settings.ts'

/** Read alike by every validator: no \\p, \\w or \\s (JSON Schema 6.4). */
const upstreamName = z.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, 'letters, digits, dots, hyphens')

/** For `meta({ anyOf })`: an object whose property `name` is there and is `such`. */
const atLeast = (name: string, such: object) => ({ required: [name], properties: { [name]: such } })

const storage = {
  components: z
    .array(upstreamName)
    .max(200)
    .default([])
    .describe('Components whose configurations it may use, by their ids'),
  buckets: z
    .record(upstreamName, z.enum(['read', 'write']))
    .refine((chosen) => Object.keys(chosen).length <= 200, 'at most 200')
    .meta({ maxProperties: 200 })
    .default({})
    .describe('Buckets that it may read or write, by their ids'),
  manage_buckets: z.boolean().default(false).describe('Make and delete buckets, and read and write all of them'),
  read_all_files: z.boolean().default(false).describe('Read all files of the project'),
  manage_tokens: z
    .boolean()
    .default(false)
    .describe('See, end and take over tokens of everybody in the project; only where an admin allows it'),
}
const ofStorage = [
  atLeast('components', { minItems: 1 }),
  atLeast('buckets', { minProperties: 1 }),
  atLeast('manage_buckets', { const: true }),
  atLeast('read_all_files', { const: true }),
  atLeast('manage_tokens', { const: true }),
]

/** Of a child of a session, which knows no finer ones. */
const child = {
  read_project: z
    .boolean()
    .optional()
    .describe('Of a child of a session: read everything in the project that your account may read'),
  write_project: z
    .boolean()
    .optional()
    .describe(
      'Of a child of a session: do everything in the project that your account may do; only where an admin allows it',
    ),
}
const ofChild = [atLeast('read_project', { const: true }), atLeast('write_project', { const: true })]

/** What a token may do; what is absent is not granted. The core refuses rights of which nothing is to be said. */
export const KeboolaRights = z.strictObject({ ...storage, ...child }).meta({ anyOf: [...ofStorage, ...ofChild] })
/** What a Storage token can be asked for. */
export const StorageRights = z.strictObject(storage).meta({ anyOf: ofStorage })
/** What a child can be asked for. */
export const ChildRights = z
  .strictObject(child)
  .meta({ anyOf: ofChild })
  .transform((asked): KeboolaRights => KeboolaRights.parse(asked))
export type KeboolaRights = z.infer<typeof KeboolaRights>

/** Rows of versions before spell two names in camel case, alone or beside these, and know nothing of managing tokens. */
export function upgrade({ manageBuckets, readAllFiles, ...rights }: Rights): Rights {
  return { manage_buckets: manageBuckets, read_all_files: readAllFiles, manage_tokens: false, ...rights }
}

export const describe = ({
  components,
  buckets,
  manage_buckets,
  read_all_files,
  manage_tokens,
  read_project,
  write_project,
}: KeboolaRights): RightLine[] => [
  ...components.map((id) => ({ text: `component ${id}`, risk: 'medium' as const })),
  ...Object.entries(buckets).map(([id, right]) => ({
    text: `${right} ${id}`,
    risk: right === 'read' ? ('low' as const) : ('medium' as const),
  })),
  ...(manage_buckets ? [{ text: 'manage buckets', risk: 'high' as const }] : []),
  ...(read_all_files ? [{ text: 'read all files', risk: 'high' as const }] : []),
  ...(manage_tokens ? [{ text: 'manage tokens', risk: 'high' as const }] : []),
  ...(read_project ? [{ text: 'read the whole project', risk: 'medium' as const }] : []),
  ...(write_project ? [{ text: 'everything in the project that your account may do', risk: 'high' as const }] : []),
]

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/** "2 components", "read 3 buckets", "write 1 bucket". */
export function summary({
  components,
  buckets,
  manage_buckets,
  read_all_files,
  manage_tokens,
  read_project,
  write_project,
}: KeboolaRights): string[] {
  const rights = Object.values(buckets)
  const read = rights.filter((right) => right === 'read').length
  return [
    components.length > 0 && counted(components.length, 'component'),
    read > 0 && `read ${counted(read, 'bucket')}`,
    read < rights.length && `write ${counted(rights.length - read, 'bucket')}`,
    manage_buckets && 'manage buckets',
    read_all_files && 'all files',
    manage_tokens && 'manage tokens',
    read_project === true && !write_project && 'read the project',
    write_project === true && 'the whole project',
  ].filter((part) => part !== false)
}

/** Who manages buckets may do anything with each. What is said of Storage tokens says nothing of children. */
export const narrows = (asked: KeboolaRights, limit: KeboolaRights): boolean =>
  asked.components.every((id) => limit.components.includes(id)) &&
  Object.entries(asked.buckets).every(([id, right]) => {
    const most = limit.manage_buckets ? 'write' : limit.buckets[id]
    return most === 'write' || most === right
  }) &&
  (limit.manage_buckets || !asked.manage_buckets) &&
  (limit.read_all_files || !asked.read_all_files) &&
  (limit.manage_tokens || !asked.manage_tokens) &&
  (readsProject(limit) || !asked.read_project) &&
  (limit.write_project === true || !asked.write_project)

const readsProject = ({ read_project, write_project }: KeboolaRights) => read_project === true || write_project === true

/** Why a token may not have these rights, whoever asks. */
export function forbids(
  { manage_tokens, write_project }: KeboolaRights,
  settings: Pick<KeboolaSettings, 'allowManageTokens' | 'allowWritingChildren'>,
): string | undefined {
  if (manage_tokens && !settings.allowManageTokens) return notAllowed
  return write_project && !settings.allowWritingChildren ? writingNotAllowed : undefined
}

export function missing(asked: KeboolaRights, granted: KeboolaRights): string[] {
  const { components, buckets, manage_buckets, read_all_files, manage_tokens, read_project, write_project } = asked
  const lacking = Object.entries(buckets).filter(([id, right]) => {
    const given = granted.manage_buckets ? 'write' : granted.buckets[id]
    return given !== right && given !== 'write'
  })
  return describe({
    components: components.filter((id) => !granted.components.includes(id)),
    buckets: Object.fromEntries(lacking),
    manage_buckets: manage_buckets && !granted.manage_buckets,
    read_all_files: read_all_files && !granted.read_all_files,
    manage_tokens: manage_tokens && !granted.manage_tokens,
    read_project: read_project === true && !readsProject(granted),
    write_project: write_project === true && !granted.write_project,
  }).map(({ text }) => text)
}
