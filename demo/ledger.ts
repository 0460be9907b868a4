import type { Clock } from './clock.ts'
import type { Store, System, TokenKind, TokenRecord } from './store.ts'
import { accountBySub } from './world.ts'

/** One request as the server saw it. `at` in milliseconds of the demo clock; `outcome` is `ok` or the error's code. */
export type RequestEntry = {
  number: number
  at: number
  method: string
  path: string
  query: Record<string, string>
  /** The parsed form or JSON body. */
  body: Record<string, unknown>
  account?: string
  client?: string
  project?: string
  status?: number
  outcome?: string
  /** Set when a scripted fault changed the answer: what it was. */
  fault?: string
}

/** One token ever issued. `account` is an e-mail address, `tokenId` the public id of a Storage token. */
export type TokenEntry = {
  value: string
  kind: TokenKind
  system: System
  account: string
  client?: string
  project?: string
  tokenId?: string
  /** Of an access token whose server names it. */
  scope?: string
  issuedAt: number
  expiresAt: number | null
  live: boolean
}

export type Ledger = {
  readonly requests: readonly RequestEntry[]
  /** Every token issued since the process started, live or not; never cleared, so a canary search misses nothing. */
  readonly tokens: TokenEntry[]
  /** Requests of one route: `POST /oauth/token`, with the fields given. */
  find(route: string, fields?: Record<string, unknown>): RequestEntry[]
}

export type LedgerBook = Ledger & {
  open(entry: Omit<RequestEntry, 'number' | 'at'>): RequestEntry
  issue(value: string, record: TokenRecord, tokenId?: string): void
  clearRequests(): void
}

export function makeLedger(clock: Clock, store: Store): LedgerBook {
  let requests: RequestEntry[] = []
  const issued = new Map<string, { value: string; record: TokenRecord; tokenId?: string }>()
  return {
    get requests() {
      return requests
    },
    get tokens() {
      return [...issued.values()].map(({ value, record, tokenId }) => ({
        value,
        kind: record.kind,
        system: record.system,
        account: accountBySub(record.sub)?.email ?? record.sub,
        client: record.client,
        project: record.project,
        tokenId,
        scope: record.scope,
        issuedAt: record.issuedAt,
        expiresAt: record.expiresAt,
        live: store.isLive(store.token(value)),
      }))
    },
    find(route, fields = {}) {
      const [method, path] = route.split(' ')
      return requests.filter(
        (entry) =>
          entry.method === method &&
          entry.path === path &&
          Object.entries(fields).every(([name, value]) => (entry.body[name] ?? entry.query[name]) === value),
      )
    },
    open(entry) {
      const opened = { ...entry, number: requests.length + 1, at: clock.now() }
      requests.push(opened)
      return opened
    },
    issue(value, record, tokenId) {
      issued.set(value, { value, record, tokenId })
    },
    clearRequests() {
      requests = []
    },
  }
}
