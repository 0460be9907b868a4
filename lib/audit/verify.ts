import { createHash } from 'node:crypto'
import { type CryptoKey, calculateJwkThumbprint, compactVerify, decodeProtectedHeader, importJWK, type JWK } from 'jose'

/** Names the form of an export and of its hashes; another form gets another name. */
export const exportFormat = 'valetkey-audit-1'

/** What a JWS by an audit key is, in its `typ`: a head is never taken for a receipt, nor the other way round. */
export const headType = 'vk-audit-head'
export const receiptType = 'vk-revocation-receipt'

/** Names the form of a receipt; another form gets another name. */
export const receiptFormat = 'valetkey-receipt-1'

/** What a receipt states of an act that revoked many things, as it stood at `made_at`. People are named by their ids. */
export type Receipt = {
  format: typeof receiptFormat
  tenant: string
  act: string
  made_at: string
  /** Who revoked, when and why. */
  by: string
  revoked_at: string
  reason: string | null
  /** What was selected: everything of one person (`held`), or what a filter matched. */
  kind: string
  user_id: string | null
  filter: Record<string, unknown> | null
  counts: Record<string, number>
  /** The first truth. `since`: null while it goes on. */
  blocked_here: { total: number; ended: number; since: string | null }
  /** The second one: pieces of upstream work by how they stand. */
  upstream: { pending: number; done: number; confirmed: number; failed: number; impossible: number }
  /** When the last of what is confirmed was seen to be refused there. */
  proved_at: string | null
  /** The third one; null: nothing can work any more. */
  latest_moment: string | null
  /** Since when nothing of it is pending; null: something is. */
  settled_at: string | null
  /** The act's event in the chain; null: it could not be recorded there yet. */
  event: { seq: number; id: string; hash: string } | null
  /** The newest signed head of the chain, which comes at that event or after it. */
  head: string | null
}

/** The first thing that is wrong. `seq` and `id` are those of the event that it was found at. */
export type Fault = { seq: number; id: string | null; reason: string }

/** A head whose signature holds and which is the chain's at that place. */
export type Anchor = { seq: number; time: string; keyId: string; from: 'export' | 'outside' }

export type Verdict = {
  tenant: string
  /** How many events were read and hold, from the first one on. */
  events: number
  /** The last signed event; later events are chained but not signed. */
  anchor: Anchor | null
  /** Events that were committed and not yet chained when the export was written. */
  unsealed: number | null
  fault: Fault | null
  /** Where one was to be checked: its signature holds. Without a fault it is in the chain as well. */
  receipt?: Receipt
}

/** The input is not an export, a head or a key. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError'
}

/** What an event's hash is over: these lines, joined by LF, in UTF-8 (the migration audit_sealing says the same). */
export const eventHash = (
  previous: string,
  tenant: string,
  { seq, id, at, body }: { seq: number; id: string; at: string; body: string },
): string => createHash('sha256').update([exportFormat, previous, tenant, seq, id, at, body].join('\n')).digest('hex')

type Outside = {
  /** Heads kept outside the database: lines of the log, or JWSs. Those of other tenants are passed over. */
  heads?: Iterable<string> | AsyncIterable<string>
  /** The public key to believe, instead of those that the export brings. */
  keys?: JWK[]
  /** A receipt that the chain has to bear out. */
  receipt?: string
}

/**
 * Reads an export line by line and stops at the first fault: a changed, deleted, swapped, inserted or re-hashed event, a
 * bad signature, a head that is not the chain's. Holds nothing but the last hash and the heads from outside.
 * @throws UnreadableError when this is no export
 */
export async function verifyExport(
  lines: Iterable<string> | AsyncIterable<string>,
  { heads = [], keys, receipt: jws }: Outside = {},
): Promise<Verdict> {
  const reader = filled(lines)
  const header = parseLine((await reader.next()).value ?? '')
  const { format, tenant, keys: own } = header
  if (format !== exportFormat || typeof tenant !== 'string' || tenant.includes('\n') || !Array.isArray(own))
    throw new UnreadableError(`The first line is not the header of an export in the format ${exportFormat}.`)
  const trusted = await keyRing(keys ?? own)

  const verdict: Verdict = { tenant, events: 0, anchor: null, unsealed: null, fault: null }
  let tip = { seq: 0, id: null as string | null, hash: '0'.repeat(64) }
  let ended = false
  const fail = (reason: string, at: { seq: number; id: string | null } = tip): Verdict => ({
    ...verdict,
    fault: { seq: at.seq, id: at.id, reason },
  })

  const outside = new Map<number, Head[]>()
  const keepOutside = (head: Head) => outside.set(head.seq, [...(outside.get(head.seq) ?? []), head])
  for await (const jws of headsIn(heads)) {
    const head = await readHead(trusted, jws)
    if (head.fault === undefined && head.tenant !== tenant) continue
    if (head.fault !== undefined) return fail(`A head kept outside: ${head.fault}`, { seq: head.seq ?? 0, id: null })
    keepOutside(head)
  }

  const receipt = jws === undefined ? undefined : await readReceipt(trusted, jws)
  if (typeof receipt === 'string') return fail(`The receipt: ${receipt}`, { seq: 0, id: null })
  if (receipt) {
    if (receipt.tenant !== tenant) return fail('The receipt is of another tenant.', { seq: 0, id: null })
    verdict.receipt = receipt
    // It left the database with its receipt, so it counts as one that was kept outside.
    const head = receipt.head === null ? undefined : await readHead(trusted, receipt.head)
    if (head?.fault !== undefined)
      return fail(`The head in the receipt: ${head.fault}`, { seq: head.seq ?? 0, id: null })
    if (head) keepOutside(head)
  }

  for await (const text of reader) {
    if (ended) return fail('There is more data after the last line.')
    const line = parseLine(text)
    if ('body' in line) {
      const event = readEvent(line)
      if (!event) return fail('A line after this event is not an event, a head or the end.')
      if (event.seq !== tip.seq + 1) return fail(`Event #${tip.seq + 1} is missing: #${event.seq} comes next.`, event)
      if (event.hash !== eventHash(tip.hash, tenant, event))
        return fail('Its hash does not match its content and the event before it.', event)
      tip = event
      verdict.events = event.seq
      if (receipt?.event?.seq === event.seq && !bearsOut(event, receipt))
        return fail('The receipt was made over a different event.')
      for (const head of outside.get(event.seq) ?? []) {
        if (head.hash !== event.hash) return fail('A head kept outside was signed over a different hash.')
        verdict.anchor = { seq: head.seq, time: head.time, keyId: head.keyId, from: 'outside' }
      }
    } else if (typeof line.head === 'string') {
      const head = await readHead(trusted, line.head)
      if (head.fault !== undefined) return fail(`The head after this event: ${head.fault}`)
      if (head.tenant !== tenant || head.seq !== tip.seq || head.hash !== tip.hash)
        return fail('The head after this event was signed over a different event number or hash.')
      if (verdict.anchor?.seq !== head.seq)
        verdict.anchor = { seq: head.seq, time: head.time, keyId: head.keyId, from: 'export' }
    } else if ('count' in line) {
      ended = true
      const end = typeof line.tip === 'object' && line.tip !== null && 'seq' in line.tip ? line.tip.seq : undefined
      if (line.count !== tip.seq || end !== tip.seq)
        return fail('The count in the last line does not match the events.')
      verdict.unsealed = typeof line.unsealed === 'number' ? line.unsealed : null
    } else return fail('A line after this event is not an event, a head or the end.')
  }
  if (!ended) return fail('The export ends early: its last line is missing.')
  if (receipt?.event && receipt.event.seq > tip.seq)
    return fail(`The receipt names event #${receipt.event.seq}, which is missing: the export is older, or truncated.`)
  const beyond = [...outside.keys()].filter((seq) => seq > tip.seq)
  if (beyond.length > 0)
    return fail(`Truncated: a head kept outside covers event #${Math.max(...beyond)}, which is missing.`)
  return verdict
}

/** @throws UnreadableError what is no receipt of ours, or signed by none of these keys */
export async function verifyReceipt(jws: string, keys: JWK[]): Promise<{ receipt: Receipt; keyId: string }> {
  const receipt = await readReceipt(await keyRing(keys), jws)
  if (typeof receipt === 'string') throw new UnreadableError(`The receipt: ${receipt}`)
  return { receipt, keyId: decodeProtectedHeader(jws.trim()).kid ?? '' }
}

/** Whether a text is a signed statement, and no export. */
export const isSigned = (text: string): boolean => /^\s*[\w-]+\.[\w-]+\.[\w-]+\s*$/.test(text)

/** Whether an event is the one that a receipt was made over, and tells of its act. */
function bearsOut(event: { id: string; hash: string; body: string }, { act, by, event: named }: Receipt): boolean {
  const { actor, target, details } = parseLine(event.body) as Record<string, Record<string, unknown> | string | null>
  const about = [typeof target === 'object' && target?.id, typeof details === 'object' && details?.act]
  return event.id === named?.id && event.hash === named.hash && actor === by && about.includes(act)
}

/** A receipt whose signature holds; a text says what is wrong with it. */
async function readReceipt(ring: Keys, jws: string): Promise<Receipt | string> {
  const read = await readSigned(ring, jws.trim(), receiptType)
  if (typeof read === 'string') return read
  const { format, tenant, act, by, upstream, blocked_here, event } = read.payload
  const isWhole =
    [tenant, act, by].every((one) => typeof one === 'string') && isObject(upstream) && isObject(blocked_here)
  if (format !== receiptFormat || !isWhole || !(event === null || (isObject(event) && isSeq(event.seq))))
    return `It is not in the format ${receiptFormat}.`
  return read.payload as Receipt
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

type Head = { tenant: string; seq: number; hash: string; time: string; keyId: string; fault?: undefined }
type Keys = Map<string, CryptoKey | Uint8Array>

/** Keys by their thumbprint, which is what a head names: a key cannot go by another's name. */
async function keyRing(keys: unknown[]): Promise<Keys> {
  const ring: Keys = new Map()
  for (const jwk of keys) {
    try {
      const { kty, crv, x } = jwk as JWK
      if (kty !== 'OKP' || crv !== 'Ed25519' || !x) throw new Error('no Ed25519 key')
      ring.set(await calculateJwkThumbprint({ kty, crv, x }), await importJWK({ kty, crv, x }, 'EdDSA'))
    } catch (cause) {
      throw new UnreadableError('A key is not a public Ed25519 JWK.', { cause })
    }
  }
  return ring
}

/** What a key of the ring has signed as this type; a text says what is wrong with it. */
async function readSigned(
  ring: Keys,
  jws: string,
  type: string,
): Promise<{ payload: Record<string, unknown>; keyId: string } | string> {
  let keyId = ''
  try {
    const { payload } = await compactVerify(
      jws,
      ({ kid, typ }) => {
        keyId = kid ?? ''
        const key = ring.get(keyId)
        if (!key || typ !== type) throw new Error('not signed by us, or as something else')
        return key
      },
      { algorithms: ['EdDSA'] },
    )
    return { payload: parseLine(new TextDecoder().decode(payload)), keyId }
  } catch {
    if (keyId && !ring.has(keyId)) return `It is signed with the unknown key ${keyId}.`
    return 'Its signature is invalid.'
  }
}

/** Reads a head and its signature; `fault` says what is wrong with it. */
async function readHead(ring: Keys, jws: string): Promise<Head | { fault: string; seq?: number }> {
  const read = await readSigned(ring, jws, headType)
  if (typeof read === 'string') return { fault: read }
  const { tenant, seq, hash, time } = read.payload
  if (typeof tenant === 'string' && isSeq(seq) && typeof hash === 'string' && typeof time === 'string')
    return { tenant, seq, hash, time, keyId: read.keyId }
  return { fault: 'It does not state what it signs.' }
}

const isSeq = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) > 0

function readEvent({ seq, id, at, body, hash }: Record<string, unknown>) {
  const texts = [id, at, body, hash]
  if (!isSeq(seq) || !texts.every((text) => typeof text === 'string' && !text.includes('\n'))) return undefined
  return { seq, id: String(id), at: String(at), body: String(body), hash: String(hash) }
}

function parseLine(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  } catch {}
  throw new UnreadableError('A line is not a JSON object.')
}

async function* filled(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string, undefined> {
  for await (const line of lines) if (line.trim() !== '') yield line
}

/** The JWSs in the lines of a log; a line may also be a bare JWS. */
async function* headsIn(lines: Iterable<string> | AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of filled(lines)) {
    const jws = /"head":"([\w-]+\.[\w-]+\.[\w-]+)"|^\s*([\w-]+\.[\w-]+\.[\w-]+)\s*$/.exec(line)
    if (jws) yield jws[1] ?? jws[2] ?? ''
  }
}
