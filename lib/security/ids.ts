import { uuidv7 } from 'uuidv7'

const prefixes = {
  user: 'usr',
  session: 'ses',
  tenant: 'ten',
  invitation: 'inv',
  provider: 'prv',
  project: 'prj',
  connection: 'con',
  attempt: 'att',
  link_request: 'lrq',
  token: 'tok',
  revocation: 'rev',
  revocation_act: 'act',
  event: 'evt',
  request: 'req',
  notification: 'ntf',
  webhook: 'whk',
  message: 'msg',
  trusted_issuer: 'tri',
  trusted_client: 'trc',
  client: 'cli',
  client_secret: 'cls',
  authorization: 'aut',
  grant: 'grt',
  registration: 'reg',
  report: 'rpt',
} as const

export type IdKind = keyof typeof prefixes

export const isIdKind = (name: string): name is IdKind => Object.hasOwn(prefixes, name)

/** What an id of this kind looks like, in a regular expression that every JSON Schema validator reads alike. */
export const idPattern = (kind: IdKind) => new RegExp(`^${prefixes[kind]}_[0-9a-f]{32}$`)

/** A new id: three letters and a UUIDv7 without hyphens, so ids of one kind sort by the time they were made. */
export const newId = (kind: IdKind) => `${prefixes[kind]}_${uuidv7().replaceAll('-', '')}`
