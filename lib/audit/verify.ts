import { createHash } from 'node:crypto'
import { type CryptoKey, calculateJwkThumbprint, compactVerify, importJWK, type JWK } from 'jose'

/** Names the form of an export and of its hashes; another form gets another name. */
export const exportFormat = 'valetkey-audit-1'

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
}

/**
 * Reads an export line by line and stops at the first fault: a changed, deleted, swapped, inserted or re-hashed event, a
 * bad signature, a head that is not the chain's. Holds nothing but the last hash and the heads from outside.
 * @throws UnreadableError when this is no export
 */
export async function verifyExport(
  lines: Iterable<string> | AsyncIterable<string>,
  { heads = [], keys }: Outside = {},
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
  for await (const jws of headsIn(heads)) {
    const head = await readHead(trusted, jws)
    if (head.fault === undefined && head.tenant !== tenant) continue
    if (head.fault !== undefined) return fail(`A head kept outside: ${head.fault}`, { seq: head.seq ?? 0, id: null })
    outside.set(head.seq, [...(outside.get(head.seq) ?? []), head])
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
  const beyond = [...outside.keys()].filter((seq) => seq > tip.seq)
  if (beyond.length > 0)
    return fail(`Truncated: a head kept outside covers event #${Math.max(...beyond)}, which is missing.`)
  return verdict
}

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

/** Reads a head and its signature; `fault` says what is wrong with it. */
async function readHead(ring: Keys, jws: string): Promise<Head | { fault: string; seq?: number }> {
  let keyId = ''
  try {
    const { payload } = await compactVerify(
      jws,
      ({ kid, typ }) => {
        keyId = kid ?? ''
        const key = ring.get(keyId)
        if (!key || typ !== 'vk-audit-head') throw new Error('no head of ours')
        return key
      },
      { algorithms: ['EdDSA'] },
    )
    const { tenant, seq, hash, time } = parseLine(new TextDecoder().decode(payload))
    if (typeof tenant === 'string' && isSeq(seq) && typeof hash === 'string' && typeof time === 'string')
      return { tenant, seq, hash, time, keyId }
    return { fault: 'It does not state what it signs.' }
  } catch {
    if (keyId && !ring.has(keyId)) return { fault: `It is signed with the unknown key ${keyId}.` }
    return { fault: 'Its signature is invalid.' }
  }
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
