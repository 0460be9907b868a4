import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { chmod, rename, writeFile } from 'node:fs/promises'
import type { Adapter, AdapterPayload } from 'oidc-provider'
import { z } from 'zod'
import type { Clock } from './clock.ts'
import { BucketRight } from './modes.ts'

export const sha256 = (value: string) => createHash('sha256').update(value).digest('base64url')

const TokenKind = z.enum(['code', 'access', 'refresh', 'id', 'storage'])
export type TokenKind = z.infer<typeof TokenKind>

/** What is known about one issued token; the value itself is only in the ledger. Times in milliseconds. */
const TokenRecord = z.object({
  hash: z.string(),
  kind: TokenKind,
  system: z.enum(['idp', 'stack']),
  sub: z.string(),
  client: z.string().optional(),
  project: z.string().optional(),
  grant: z.string().optional(),
  /** Refresh tokens: hash of the access token issued with them. */
  partner: z.string().optional(),
  /** Codes: the authorize request named no redirect_uri, so the token request need not either. */
  redirectImplied: z.boolean().optional(),
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
})

/** Models that outlive a restart; sessions, codes and half-finished sign-ins do not. */
const KEPT_MODELS = new Set(['stack:Grant', 'stack:RefreshToken'])
const KEPT_KINDS = new Set<TokenKind>(['access', 'refresh', 'storage'])
const EVENTS_MAX = 2000

export type Store = ReturnType<typeof makeStore>

/**
 * Everything the demo upstream remembers. Memory is the truth; with a `dataFile` the lasting part is also written
 * there, tokens as SHA-256 hashes only, whole and renamed into place.
 */
export function makeStore(clock: Clock, dataFile?: string) {
  const engine = new Map<string, EngineRecord>()
  const tokens = new Map<string, TokenRecord>()
  const storageTokens = new Map<string, StorageToken>()
  const grantProjects = new Map<string, string>()
  let events: StorageEvent[] = []
  let nextId = 1
  let dirty = false
  let unsaved = false
  let writing: Promise<void> = Promise.resolve()

  function load(): string | undefined {
    if (!dataFile) return undefined
    let text: string
    try {
      text = readFileSync(dataFile, 'utf8')
    } catch {
      return undefined
    }
    try {
      const data = DataFile.parse(JSON.parse(text))
      for (const record of data.engine) engine.set(record.key, record)
      for (const record of data.tokens) tokens.set(record.hash, record)
      for (const token of data.storageTokens) storageTokens.set(token.hash, token)
      for (const [grant, project] of Object.entries(data.grantProjects)) grantProjects.set(grant, project)
      events = data.events
      nextId = data.nextId
      return undefined
    } catch {
      return 'demo: the data file is unreadable, starting with nothing linked'
    }
  }
  const warning = load()

  const alive = (expiresAt: number | null) => expiresAt === null || expiresAt > clock.now()
  const change = () => {
    dirty = true
  }

  async function write(file: string): Promise<void> {
    if (!dirty) return
    dirty = false
    unsaved = false
    const now = clock.now()
    const data: z.infer<typeof DataFile> = {
      version: 1,
      nextId,
      engine: [...engine.values()].filter((record) => KEPT_MODELS.has(record.model) && alive(record.expiresAt)),
      tokens: [...tokens.values()].filter(
        (token) => KEPT_KINDS.has(token.kind) && token.system === 'stack' && (token.expiresAt ?? now) >= now,
      ),
      storageTokens: [...storageTokens.values()],
      events,
      grantProjects: Object.fromEntries(grantProjects),
    }
    await writeFile(`${file}.tmp`, JSON.stringify(data), { mode: 0o600 })
    await chmod(`${file}.tmp`, 0o600)
    await rename(`${file}.tmp`, file)
  }

  return {
    warning,
    /** Makes what has happened so far durable; call it before answering. */
    flush(): Promise<void> {
      if (!dataFile || !dirty) return writing
      writing = writing.then(() => write(dataFile))
      return writing
    },
    /** The last flush, with what did not deserve one of its own. */
    close(): Promise<void> {
      dirty ||= unsaved
      return this.flush()
    },
    clear() {
      engine.clear()
      tokens.clear()
      storageTokens.clear()
      grantProjects.clear()
      events = []
      change()
    },
    /** A new id for a token or an event; never the same twice, also over restarts. */
    newId(): string {
      change()
      nextId += 1
      return String(880_000 + nextId)
    },

    addToken(value: string, record: Omit<TokenRecord, 'hash' | 'issuedAt' | 'endedAt'>): TokenRecord {
      const known = tokens.get(sha256(value))
      if (known) return known
      const token = { ...record, hash: sha256(value), issuedAt: clock.now(), endedAt: null }
      tokens.set(token.hash, token)
      change()
      return token
    },
    token: (value: string) => tokens.get(sha256(value)),
    tokenByHash: (hash: string) => tokens.get(hash),
    isLive(record: TokenRecord | undefined): record is TokenRecord {
      return record !== undefined && record.endedAt === null && alive(record.expiresAt)
    },
    endToken(hash: string | undefined) {
      const token = tokens.get(hash ?? '')
      if (!token || token.endedAt !== null) return
      token.endedAt = clock.now()
      change()
    },
    endGrant(grant: string) {
      for (const token of tokens.values())
        if (token.grant === grant && token.endedAt === null) token.endedAt = clock.now()
      change()
    },

    /** Living grants of a person at the stack. */
    grantsOf: (sub: string) => [
      ...new Set(
        [...tokens.values()].flatMap(({ system, sub: of, grant, endedAt }) =>
          system === 'stack' && of === sub && grant !== undefined && endedAt === null ? [grant] : [],
        ),
      ),
    ],

    setGrantProject(grant: string, project: string) {
      grantProjects.set(grant, project)
      change()
    },
    grantProject: (grant: string | undefined) => grantProjects.get(grant ?? ''),

    addStorageToken(token: StorageToken) {
      storageTokens.set(token.hash, token)
      change()
    },
    storageToken(value: string): StorageToken | undefined {
      const token = storageTokens.get(sha256(value))
      return token && alive(token.expires) ? token : undefined
    },
    storageTokensOf: (project: string) =>
      [...storageTokens.values()].filter((token) => token.project === project && alive(token.expires)),
    removeStorageToken(token: StorageToken) {
      storageTokens.delete(token.hash)
      change()
    },

    addEvent(event: Omit<StorageEvent, 'id' | 'created'>) {
      nextId += 1
      events.unshift({ ...event, id: String(990_000_000 + nextId), created: clock.now() })
      events.length = Math.min(events.length, EVENTS_MAX)
      // Not worth a write of its own: it goes to the file with the next change, or at the end.
      unsaved = true
    },
    eventsOf: (project: string) => events.filter((event) => event.project === project),

    /** Storage of one oidc-provider instance. Ids are kept hashed: for opaque tokens the id is the token. */
    adapter(system: 'idp' | 'stack') {
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
            change()
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
            const token = tokens.get(sha256(id))
            if (token) token.endedAt ??= clock.now()
            change()
          },
          async destroy(id) {
            engine.delete(keyOf(id))
            const token = tokens.get(sha256(id))
            if (token) token.endedAt ??= clock.now()
            change()
          },
          async revokeByGrantId(grant) {
            for (const [key, record] of engine) {
              if (record.model === model && record.payload.grantId === grant) engine.delete(key)
            }
            change()
          },
        }
      }
    },
    /** Undoes the engine's mark on a rotated refresh token, for servers with a grace period. */
    unconsume(system: 'idp' | 'stack', name: string, value: string) {
      const record = engine.get(`${system}:${name}:${sha256(value)}`)
      if (!record) return
      const { consumed: _, ...rest } = record.payload
      record.payload = rest
      change()
    },
  }
}
