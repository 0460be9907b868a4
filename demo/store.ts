import { createHash } from 'node:crypto'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { openJournal } from './journal.ts'
import { BucketRight } from './modes.ts'
import { TICKETS } from './world.ts'

export const sha256 = (value: string) => createHash('sha256').update(value).digest('base64url')

const TokenKind = z.enum(['code', 'access', 'refresh', 'id', 'storage'])
export type TokenKind = z.infer<typeof TokenKind>

/** Which of the demo's authorization servers. */
const System = z.enum(['idp', 'stack', 'tickets', 'notes', 'sessions'])
export type System = z.infer<typeof System>

export const TicketStatus = z.enum(['open', 'pending', 'closed'])

/** What is known about one issued token; the value itself is only in the ledger. Times in milliseconds. */
const TokenRecord = z.object({
  hash: z.string(),
  kind: TokenKind,
  system: System,
  sub: z.string(),
  client: z.string().optional(),
  project: z.string().optional(),
  grant: z.string().optional(),
  /** Access tokens, where the server names their scope. */
  scope: z.string().optional(),
  /** Refresh tokens: hash of the access token issued with them. */
  partner: z.string().optional(),
  /** Codes: the authorize request named no redirect_uri, so the token request need not either. */
  redirectImplied: z.boolean().optional(),
  /** Children of a session: what they reach, and whether they only read. */
  projects: z.array(z.string()).optional(),
  readOnly: z.boolean().optional(),
  issuedAt: z.number(),
  expiresAt: z.number().nullable(),
  endedAt: z.number().nullable(),
})
export type TokenRecord = z.infer<typeof TokenRecord>

/** A token of the Storage API. */
const StorageToken = z.object({
  id: z.string(),
  hash: z.string(),
  project: z.string(),
  description: z.string(),
  created: z.number(),
  expires: z.number().nullable(),
  bucketPermissions: z.record(z.string(), BucketRight),
  componentAccess: z.array(z.string()),
  flags: z.record(z.string(), z.boolean()),
  creator: z.object({ id: z.string(), description: z.string() }),
  /** Of a master token: whose it is. Absent in files from before there were any. */
  master: z.string().optional(),
  refreshed: z.number().optional(),
})
export type StorageToken = z.infer<typeof StorageToken>

const StorageEvent = z.object({
  id: z.string(),
  project: z.string(),
  /** Token that acted, and token acted upon. */
  token: z.string(),
  object: z.string(),
  event: z.string(),
  message: z.string(),
  created: z.number(),
})
export type StorageEvent = z.infer<typeof StorageEvent>

/** A ticket of an organisation; the people in it are named by their ids. */
const Ticket = z.object({
  id: z.string(),
  organization: z.string(),
  title: z.string(),
  text: z.string(),
  status: TicketStatus,
  reporter: z.string(),
  assignee: z.string().nullable(),
  created: z.string(),
  updated: z.string(),
})
export type Ticket = z.infer<typeof Ticket>

const EngineRecord = z.object({
  key: z.string(),
  model: z.string(),
  payload: z.record(z.string(), z.unknown()),
  expiresAt: z.number().nullable(),
})
type EngineRecord = z.infer<typeof EngineRecord>

const DataFile = z.object({
  version: z.literal(1),
  nextId: z.number(),
  engine: z.array(EngineRecord),
  tokens: z.array(TokenRecord),
  storageTokens: z.array(StorageToken),
  events: z.array(StorageEvent),
  grantProjects: z.record(z.string(), z.string()),
  /** Absent in files from before there were any. */
  tickets: z.array(Ticket).optional(),
})

/** One entry of the journal: records as they are from now on, `null` for what is gone, events added. */
const Entry = z.object({
  cleared: z.literal(true).optional(),
  nextId: z.number(),
  engine: z.record(z.string(), EngineRecord.nullable()).optional(),
  tokens: z.record(z.string(), TokenRecord.nullable()).optional(),
  storageTokens: z.record(z.string(), StorageToken.nullable()).optional(),
  grantProjects: z.record(z.string(), z.string().nullable()).optional(),
  tickets: z.record(z.string(), Ticket.nullable()).optional(),
  events: z.array(StorageEvent).optional(),
})
type Entry = z.infer<typeof Entry>

/** Models that outlive a restart; sessions, codes and half-finished sign-ins do not. */
const KEPT_MODELS = new Set([
  'stack:Grant',
  'stack:RefreshToken',
  'tickets:Grant',
  'tickets:RefreshToken',
  'tickets:AccessToken',
])
const KEPT_KINDS = new Set<TokenKind>(['access', 'refresh', 'storage'])
const EVENTS_MAX = 2000

export type Store = ReturnType<typeof makeStore>

/**
 * Everything the demo upstream remembers. Memory is the truth; with a `dataFile` the lasting part is also written there,
 * tokens as SHA-256 hashes only: whole at start and stop, and in between what has changed, line by line, in a journal
 * beside it. A killed demo loses nothing that was answered.
 */
export function makeStore(clock: Clock, dataFile?: string) {
  const engine = new Map<string, EngineRecord>()
  const tokens = new Map<string, TokenRecord>()
  const storageTokens = new Map<string, StorageToken>()
  const grantProjects = new Map<string, string>()
  const tickets = new Map<string, Ticket>()
  let events: StorageEvent[] = []
  let nextId = 1

  const file = dataFile === undefined ? undefined : openJournal(dataFile)

  function load({ read, compact }: NonNullable<typeof file>): string | undefined {
    let problem: string | undefined
    try {
      const { whole, entries } = read()
      if (whole !== undefined) {
        const data = DataFile.parse(whole)
        for (const record of data.engine) engine.set(record.key, record)
        for (const record of data.tokens) tokens.set(record.hash, record)
        for (const token of data.storageTokens) storageTokens.set(token.hash, token)
        for (const [grant, project] of Object.entries(data.grantProjects)) grantProjects.set(grant, project)
        if (data.tickets) fillTickets(data.tickets)
        events = data.events
        nextId = data.nextId
      }
      for (const entry of entries) apply(Entry.parse(entry))
      events = [...new Map(events.map((event) => [event.id, event])).values()]
    } catch {
      forget()
      problem = 'demo: the data file is unreadable, starting without any links'
    }
    compact(lasting())
    return problem
  }

  /** Entries that the whole has already are repeated and end in the same state, but for events: those are told apart later. */
  function apply(entry: Entry): void {
    if (entry.cleared) forget()
    nextId = entry.nextId
    put(engine, entry.engine)
    put(tokens, entry.tokens)
    put(storageTokens, entry.storageTokens)
    put(grantProjects, entry.grantProjects)
    put(tickets, entry.tickets)
    events = [...(entry.events ?? []), ...events].slice(0, EVENTS_MAX)
  }

  function forget(): void {
    for (const records of [engine, tokens, storageTokens, grantProjects]) records.clear()
    fillTickets(TICKETS)
    events = []
  }

  function fillTickets(list: readonly Ticket[]): void {
    tickets.clear()
    for (const ticket of list) tickets.set(ticket.id, ticket)
  }

  const alive = (expiresAt: number | null) => expiresAt === null || expiresAt > clock.now()
  const isKeptToken = (token: TokenRecord) => KEPT_KINDS.has(token.kind) && token.system !== 'idp'

  /** All that outlives a restart. */
  function lasting(): z.infer<typeof DataFile> {
    const now = clock.now()
    return {
      version: 1,
      nextId,
      engine: [...engine.values()].filter((record) => KEPT_MODELS.has(record.model) && alive(record.expiresAt)),
      tokens: [...tokens.values()].filter((token) => isKeptToken(token) && (token.expiresAt ?? now) >= now),
      storageTokens: [...storageTokens.values()],
      events,
      grantProjects: Object.fromEntries(grantProjects),
      tickets: [...tickets.values()],
    }
  }

  fillTickets(TICKETS)
  const warning = file && load(file)

  // What has changed since the last entry, by key. Whether that lasts is asked when it is written.
  let changed = noChanges()
  let addedEvents: StorageEvent[] = []

  function entryOfChanges(): Entry | undefined {
    const { isCleared, isNumbered, keys } = changed
    const entry: Entry = {
      ...(isCleared && { cleared: true }),
      nextId,
      engine: pick(engine, keys.engine),
      tokens: pick(tokens, keys.tokens, isKeptToken),
      storageTokens: pick(storageTokens, keys.storageTokens),
      grantProjects: pick(grantProjects, keys.grantProjects),
      tickets: pick(tickets, keys.tickets),
    }
    const { nextId: _, ...records } = entry
    changed = noChanges()
    if (!isNumbered && Object.values(records).every((one) => one === undefined)) return undefined
    const added = addedEvents
    addedEvents = []
    return { ...entry, ...(added.length > 0 && { events: added }) }
  }

  const touch = (model: string, key: string) => KEPT_MODELS.has(model) && changed.keys.engine.add(key)

  function end(token: TokenRecord | undefined): void {
    if (!token || token.endedAt !== null) return
    token.endedAt = clock.now()
    changed.keys.tokens.add(token.hash)
  }

  return {
    warning,
    /** Makes what has happened so far durable; call it before answering. */
    async flush(): Promise<void> {
      if (!file) return
      const entry = entryOfChanges()
      await file.append(entry, lasting)
    },
    /** The last flush: everything into the file, what did not deserve an entry of its own included. */
    async close(): Promise<void> {
      await file?.close(lasting)
    },
    clear() {
      forget()
      changed = { ...noChanges(), isCleared: true }
      addedEvents = []
    },
    /** A new id for a token or an event; never the same twice, also over restarts. */
    newId(): string {
      changed.isNumbered = true
      nextId += 1
      return String(880_000 + nextId)
    },

    addToken(value: string, record: Omit<TokenRecord, 'hash' | 'issuedAt' | 'endedAt'>): TokenRecord {
      const known = tokens.get(sha256(value))
      if (known) return known
      const token = { ...record, hash: sha256(value), issuedAt: clock.now(), endedAt: null }
      tokens.set(token.hash, token)
      changed.keys.tokens.add(token.hash)
      return token
    },
    token: (value: string) => tokens.get(sha256(value)),
    tokenByHash: (hash: string) => tokens.get(hash),
    isLive(record: TokenRecord | undefined): record is TokenRecord {
      return record !== undefined && record.endedAt === null && alive(record.expiresAt)
    },
    endToken(hash: string | undefined) {
      end(tokens.get(hash ?? ''))
    },
    endGrant(grant: string) {
      for (const token of tokens.values()) if (token.grant === grant) end(token)
    },

    /** Living grants of a person at one server. */
    grantsOf: (of: System, sub: string) => [
      ...new Set(
        [...tokens.values()].flatMap(({ system, sub: person, grant, endedAt }) =>
          system === of && person === sub && grant !== undefined && endedAt === null ? [grant] : [],
        ),
      ),
    ],

    setGrantProject(grant: string, project: string) {
      grantProjects.set(grant, project)
      changed.keys.grantProjects.add(grant)
    },
    grantProject: (grant: string | undefined) => grantProjects.get(grant ?? ''),

    addStorageToken(token: StorageToken) {
      storageTokens.set(token.hash, token)
      changed.keys.storageTokens.add(token.hash)
    },
    storageToken(value: string): StorageToken | undefined {
      const token = storageTokens.get(sha256(value))
      return token && alive(token.expires) ? token : undefined
    },
    storageTokensOf: (project: string) =>
      [...storageTokens.values()].filter((token) => token.project === project && alive(token.expires)),
    removeStorageToken(token: StorageToken) {
      storageTokens.delete(token.hash)
      changed.keys.storageTokens.add(token.hash)
    },

    addEvent(event: Omit<StorageEvent, 'id' | 'created'>) {
      nextId += 1
      const added = { ...event, id: String(990_000_000 + nextId), created: clock.now() }
      for (const list of [events, addedEvents]) {
        list.unshift(added)
        list.length = Math.min(list.length, EVENTS_MAX)
      }
      // Not worth an entry of its own: it goes to the file with the next change, or at the end.
    },
    eventsOf: (project: string) => events.filter((event) => event.project === project),

    ticketsOf: (organization: string) => [...tickets.values()].filter((ticket) => ticket.organization === organization),
    putTicket(ticket: Ticket) {
      tickets.set(ticket.id, ticket)
      changed.keys.tickets.add(ticket.id)
    },
    removeTicket(id: string) {
      tickets.delete(id)
      changed.keys.tickets.add(id)
    },

    /** Storage of one oidc-provider instance. Ids are kept hashed: for opaque tokens the id is the token. */
    adapter(system: System) {
      return (name: string): Adapter => {
        const model = `${system}:${name}`
        const keyOf = (id: string) => `${model}:${name === 'Grant' ? id : sha256(id)}`
        const read = (id: string | undefined, record: EngineRecord | undefined): AdapterPayload | undefined => {
          if (!record || !alive(record.expiresAt)) return undefined
          // The engine reads the machine's clock; ours decides, so expiry is told relative to it.
          const exp = record.expiresAt && Math.ceil((Date.now() + record.expiresAt - clock.now()) / 1000)
          return { ...record.payload, ...(id && { jti: id }), ...(exp && { exp }) }
        }
        const byUid = (uid: string) =>
          [...engine.values()].find((record) => record.model === model && record.payload.uid === uid)
        return {
          async upsert(id, payload, expiresIn) {
            const { jti, ...rest } = payload
            // Sessions are looked up by uid and then need their own id; they are never written to the file.
            const kept = name === 'Session' || name === 'Interaction' ? { ...rest, jti } : rest
            const key = keyOf(id)
            engine.set(key, { key, model, payload: kept, expiresAt: expiresIn ? clock.now() + expiresIn * 1000 : null })
            touch(model, key)
          },
          async find(id) {
            return read(id, engine.get(keyOf(id)))
          },
          async findByUid(uid) {
            return read(undefined, byUid(uid))
          },
          async findByUserCode() {
            return undefined
          },
          async consume(id) {
            const record = engine.get(keyOf(id))
            if (record) record.payload = { ...record.payload, consumed: Math.floor(clock.now() / 1000) }
            touch(model, keyOf(id))
            end(tokens.get(sha256(id)))
          },
          async destroy(id) {
            engine.delete(keyOf(id))
            touch(model, keyOf(id))
            end(tokens.get(sha256(id)))
          },
          async revokeByGrantId(grant) {
            for (const [key, record] of engine) {
              if (record.model !== model || record.payload.grantId !== grant) continue
              engine.delete(key)
              touch(model, key)
              // An opaque token's record has the token's own hash.
              end(tokens.get(key.slice(model.length + 1)))
            }
          },
        }
      }
    },
    /** Undoes the engine's mark on a rotated refresh token, for servers with a grace period. */
    unconsume(system: System, name: string, value: string) {
      const key = `${system}:${name}:${sha256(value)}`
      const record = engine.get(key)
      if (!record) return
      const { consumed: _, ...rest } = record.payload
      record.payload = rest
      touch(record.model, key)
    },
  }
}

/** Nothing has changed. An id that was given out counts as a change: it is never given again. */
const noChanges = () => ({
  isCleared: false,
  isNumbered: false,
  keys: {
    engine: new Set<string>(),
    tokens: new Set<string>(),
    storageTokens: new Set<string>(),
    grantProjects: new Set<string>(),
    tickets: new Set<string>(),
  },
})

function put<T>(records: Map<string, T>, changes: Record<string, T | null> = {}): void {
  for (const [key, record] of Object.entries(changes)) {
    if (record === null) records.delete(key)
    else records.set(key, record)
  }
}

/** The records under these keys that last, `null` for those that are gone; undefined where there is none of either. */
function pick<T>(records: Map<string, T>, keys: Set<string>, lasts: (record: T) => boolean = () => true) {
  const found: Record<string, T | null> = {}
  for (const key of keys) {
    const record = records.get(key)
    if (record === undefined) found[key] = null
    else if (lasts(record)) found[key] = record
  }
  return Object.keys(found).length > 0 ? found : undefined
}
