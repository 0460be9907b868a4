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
  token: 'tok',
  revocation: 'rev',
  event: 'evt',
  request: 'req',
  notification: 'ntf',
  webhook: 'whk',
  message: 'msg',
} as const

export type IdKind = keyof typeof prefixes

/** A new id: three letters and a UUIDv7 without hyphens, so ids of one kind sort by the time they were made. */
export const newId = (kind: IdKind) => `${prefixes[kind]}_${uuidv7().replaceAll('-', '')}`
