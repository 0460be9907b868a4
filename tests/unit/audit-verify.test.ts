import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { CompactSign, calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  eventHash,
  exportFormat,
  type Receipt,
  receiptFormat,
  UnreadableError,
  verifyExport,
  verifyReceipt,
} from '../../lib/audit/verify.ts'
import { type Machine, startMachine } from '../support/bare-machine.ts'

type Signer = {
  jwk: JWK
  keyId: string
  head: (seq: number, hash: string, tenant?: string) => Promise<string>
  receipt: (statement: object, typ?: string) => Promise<string>
}
type Event = { seq: number; id: string; at: string; body: string; hash: string }

const tenant = 'ten_acme'
const at = '2026-03-01T12:00:00.000001Z'

async function makeSigner(): Promise<Signer> {
  const { publicKey, privateKey } = await generateKeyPair('EdDSA', { extractable: true })
  const jwk = await exportJWK(publicKey)
  const keyId = await calculateJwkThumbprint(jwk)
  const sign = (statement: object, typ: string) =>
    new CompactSign(new TextEncoder().encode(JSON.stringify(statement)))
      .setProtectedHeader({ alg: 'EdDSA', kid: keyId, typ })
      .sign(privateKey)
  const head = (seq: number, hash: string, of = tenant) =>
    sign({ tenant: of, seq, hash, time: `2026-03-01T12:00:0${seq % 10}Z` }, 'vk-audit-head')
  const receipt = (statement: object, typ = 'vk-revocation-receipt') => sign(statement, typ)
  return { jwk, keyId, head, receipt }
}

/** A chain of these bodies, hashed anew: also what a database owner would write. */
function chain(bodies: string[]): Event[] {
  let hash = '0'.repeat(64)
  return bodies.map((body, index) => {
    const event = { seq: index + 1, id: `evt_${body.length}_${index}`, at, body }
    hash = eventHash(hash, tenant, event)
    return { ...event, hash }
  })
}
const bodies = Array.from({ length: 12 }, (_, index) => JSON.stringify({ action: 'token.issued', number: index }))

let signer: Signer
let other: Signer
let events: Event[]
/** Heads by the number of the event that they follow. */
let heads: Record<number, string>
beforeAll(async () => {
  signer = await makeSigner()
  other = await makeSigner()
  events = chain(bodies)
  heads = { 4: await headOf(signer, events, 4), 9: await headOf(signer, events, 9) }
})

const headOf = (by: Signer, of: Event[], seq: number) => by.head(seq, of.find((event) => event.seq === seq)?.hash ?? '')

const write = (of: Event[], signed: Record<number, string> = heads, keys: JWK[] = [signer.jwk]): string[] =>
  [
    { format: exportFormat, tenant, exported_at: at, keys },
    ...of.flatMap((event) => [event, ...(signed[event.seq] ? [{ head: signed[event.seq] }] : [])]),
    { count: of.length, tip: { seq: of.at(-1)?.seq ?? 0, hash: of.at(-1)?.hash ?? '' }, unsealed: 3 },
  ].map((line) => JSON.stringify(line))

const replaced = (index: number, change: Partial<Event>) =>
  events.map((event, place) => (place === index ? { ...event, ...change } : event))
const renumbered = (of: Event[]) => of.map((event, index) => ({ ...event, seq: index + 1 }))

describe('an export that holds', () => {
  it('names the last signed head, what follows it, and what was not sealed yet', async () => {
    expect(await verifyExport(write(events))).toEqual({
      tenant,
      events: 12,
      anchor: { seq: 9, time: '2026-03-01T12:00:09Z', keyId: signer.keyId, from: 'export' },
      unsealed: 3,
      fault: null,
    })
  })

  it('heads from outside are found in a log among other lines, other tenants passed over', async () => {
    const log = [
      '{"level":30,"msg":"request","status":200}',
      JSON.stringify({ level: 30, tenant, head: await headOf(signer, events, 11), msg: 'audit head' }),
      await signer.head(2, 'f'.repeat(64), 'ten_globex'),
    ]
    const verdict = await verifyExport(write(events), { heads: log, keys: [signer.jwk] })
    expect(verdict).toMatchObject({ fault: null, anchor: { seq: 11, from: 'outside', keyId: signer.keyId } })
  })

  it('an empty chain holds', async () => {
    expect(await verifyExport(write([]))).toMatchObject({ events: 0, anchor: null, fault: null })
  })
})

describe('G-03: what was done to the events is found, at the first of them', () => {
  const found = async (of: Event[], signed = heads) => (await verifyExport(write(of, signed))).fault

  it('G-03: a changed event, whichever part of it', async () => {
    const changes = [
      { body: '{"action":"token.revoked"}' },
      { at: at.replace('1Z', '2Z') },
      { id: 'evt_other' },
      { hash: 'a'.repeat(64) },
    ]
    for (const change of changes) expect(await found(replaced(5, change))).toMatchObject({ seq: 6 })
  })

  it('G-03: a deleted event, with and without new numbers', async () => {
    const without = events.filter(({ seq }) => seq !== 6)
    expect(await found(without)).toMatchObject({ seq: 7, reason: expect.stringContaining('#6 is missing') })
    expect(await found(renumbered(without))).toMatchObject({ seq: 6, id: events[6]?.id })
  })

  it('G-03: the first event, and the only ones after a head', async () => {
    expect(await found(events.slice(1))).toMatchObject({ seq: 2 })
    expect(await found(renumbered(events.slice(1)))).toMatchObject({ seq: 1, id: events[1]?.id })
  })

  it('G-03: swapped events, with and without new numbers', async () => {
    const swapped = [
      ...events.slice(0, 4),
      ...[events[5], events[4]].flatMap((event) => event ?? []),
      ...events.slice(6),
    ]
    expect(await found(swapped)).toMatchObject({ seq: 6 })
    expect(await found(renumbered(swapped))).toMatchObject({ seq: 5, id: events[5]?.id })
  })

  it('G-03: an inserted event, also one that is hashed after what comes before it', async () => {
    const event = { seq: 6, id: 'evt_made_up', at, body: '{}' }
    const made = { ...event, hash: eventHash(events[4]?.hash ?? '', tenant, event) }
    const inserted = renumbered([...events.slice(0, 5), made, ...events.slice(5)])
    expect(await found(inserted)).toMatchObject({ seq: 7, id: events[5]?.id })
    expect(await found([...events.slice(0, 6), { ...made, hash: 'b'.repeat(64) }])).toMatchObject({ id: 'evt_made_up' })
  })

  it('G-03: a chain that was hashed anew meets the next head', async () => {
    const rewritten = chain(bodies.map((body, index) => (index === 5 ? '{"action":"token.revoked"}' : body)))
    expect(await found(rewritten)).toMatchObject({
      seq: 9,
      reason: expect.stringContaining('a different event number or hash'),
    })
  })

  it('G-03: a chain of another tenant', async () => {
    const lines = write(events).map((line) => line.replaceAll(tenant, 'ten_globex'))
    expect((await verifyExport(lines)).fault).toMatchObject({ seq: 1 })
  })

  it('G-03: an export that was cut off, or that goes on after its end', async () => {
    const lines = write(events)
    expect((await verifyExport(lines.slice(0, -1))).fault?.reason).toContain('ends early')
    expect((await verifyExport([...lines, ...lines.slice(-1)])).fault?.reason).toContain('after the last line')
    expect((await verifyExport([...lines.slice(0, 9), ...lines.slice(-1)])).fault?.reason).toContain(
      'The count in the last line',
    )
  })
})

describe('G-03: heads', () => {
  it('G-03: a head whose signature does not hold, or of a key that is not known', async () => {
    const [head = '', body = '', signature = ''] = heads[9]?.split('.') ?? []
    const forged = Buffer.from(JSON.stringify({ tenant, seq: 9, hash: 'c'.repeat(64), time: at })).toString('base64url')
    for (const jws of [`${head}.${forged}.${signature}`, `${head}.${body}.${'A'.repeat(86)}`, 'not.a.head'])
      expect((await verifyExport(write(events, { ...heads, 9: jws }))).fault).toMatchObject({ seq: 9 })
    const foreign = { ...heads, 9: await headOf(other, events, 9) }
    expect((await verifyExport(write(events, foreign))).fault?.reason).toContain(other.keyId)
  })

  it('G-03: who rewrites chain, heads and keys is caught by a head that was kept outside, or by the key', async () => {
    const kept = [heads[9] ?? '']
    const rewritten = chain(bodies.map((body, index) => (index === 5 ? '{}' : body)))
    const again = write(rewritten, { 9: await headOf(other, rewritten, 9) }, [other.jwk])
    expect((await verifyExport(again)).fault).toBeNull()
    expect((await verifyExport(again, { keys: [signer.jwk] })).fault?.reason).toContain(other.keyId)
    expect((await verifyExport(again, { heads: kept })).fault?.reason).toContain(signer.keyId)
    const keptKeys = write(rewritten, {}, [signer.jwk])
    expect((await verifyExport(keptKeys)).fault).toBeNull()
    expect((await verifyExport(keptKeys, { heads: kept })).fault).toMatchObject({
      seq: 9,
      reason: expect.stringContaining('a different hash'),
    })
  })

  it('G-03: an end that was cut off is found where a head outside is further on, and not otherwise', async () => {
    const cut = write(events.slice(0, 7))
    expect(await verifyExport(cut)).toMatchObject({ fault: null, anchor: { seq: 4 } })
    expect((await verifyExport(cut, { heads: [heads[9] ?? ''] })).fault?.reason).toContain('#9, which is missing')
  })

  it('G-03: a key cannot go by the name of another', async () => {
    const lines = write(events, { 9: await headOf(other, events, 9) }, [{ ...other.jwk, kid: signer.keyId }])
    expect((await verifyExport(lines)).anchor?.keyId).toBe(other.keyId)
  })
})

it('what is no export is not judged', async () => {
  for (const lines of [[], ['{}'], ['no json'], [...write(events).slice(0, 3), '{"seq":']])
    await expect(verifyExport(lines)).rejects.toBeInstanceOf(UnreadableError)
  await expect(verifyExport(write(events), { keys: [{ kty: 'RSA' }] })).rejects.toBeInstanceOf(UnreadableError)
})

describe('G-03: a receipt', () => {
  const act = 'act_1'
  const told = {
    action: 'selection.revoked',
    actor: 'usr_a',
    target: { kind: 'revocation_act', id: act },
    details: { act },
  }
  let chained: Event[]
  let statement: Receipt
  beforeAll(async () => {
    chained = chain([...bodies.slice(0, 5), JSON.stringify(told), ...bodies.slice(5, 9)])
    const { seq = 0, id = '', hash = '' } = chained[5] ?? {}
    statement = {
      ...{ format: receiptFormat, tenant, act, made_at: at, by: 'usr_a', revoked_at: at, reason: null, kind: 'tokens' },
      ...{ user_id: null, filter: {}, counts: { tokens: 7 } },
      blocked_here: { total: 7, ended: 5, since: null },
      upstream: { pending: 2, done: 0, confirmed: 3, failed: 0, impossible: 0 },
      ...{ proved_at: at, latest_moment: 'unknown', settled_at: null, event: { seq, id, hash } },
      head: await signer.head(9, chained[8]?.hash ?? ''),
    }
  })
  const judged = async (receipt: string, of = chained) => (await verifyExport(write(of, {}), { receipt })).fault
  const changed = (change: Partial<Receipt>) => signer.receipt({ ...statement, ...change })

  it('holds where the chain has its event, and its head anchors the chain as one kept outside', async () => {
    expect(await verifyExport(write(chained, {}), { receipt: await signer.receipt(statement) })).toMatchObject({
      fault: null,
      anchor: { seq: 9, from: 'outside' },
      receipt: statement,
    })
  })

  it('that is not signed, signed by another or as something else does not hold', async () => {
    const good = await signer.receipt(statement)
    expect((await judged(`${good.slice(0, -4)}AAAA`))?.reason).toContain('signature is invalid')
    const [head, , signature] = good.split('.')
    const more = Buffer.from(JSON.stringify({ ...statement, settled_at: at })).toString('base64url')
    expect((await judged(`${head}.${more}.${signature}`))?.reason).toContain('signature is invalid')
    expect((await judged(await other.receipt(statement)))?.reason).toContain(other.keyId)
    expect((await judged(await signer.receipt(statement, 'vk-audit-head')))?.reason).toContain('signature is invalid')
    // Nor is one a head.
    const asHead = await signer.receipt({ tenant, seq: 4, hash: chained[3]?.hash, time: at })
    expect((await verifyExport(write(chained, { 4: asHead }))).fault).toMatchObject({ seq: 4 })
    expect((await judged(await signer.receipt({ tenant })))?.reason).toContain('not in the format')
  })

  it('over another event, of another person, act or tenant does not hold', async () => {
    const { seq = 0, id = '', hash = '' } = chained[6] ?? {}
    expect((await judged(await changed({ event: { seq, id, hash } })))?.reason).toContain('a different event')
    for (const change of [{ by: 'usr_b' }, { act: 'act_2' }, { event: { ...statement.event, hash } as never }])
      expect((await judged(await changed(change)))?.reason).toContain('a different event')
    expect((await judged(await changed({ tenant: 'ten_globex' })))?.reason).toContain('another tenant')
  })

  it('finds a chain that was hashed anew after it left, and an export that ends before its event', async () => {
    const receipt = await signer.receipt(statement)
    const anew = chain(chained.map(({ body }, index) => (index === 2 ? '{"action":"nothing"}' : body)))
    expect(await judged(receipt, anew)).toMatchObject({ seq: 6 })
    const after = chain(chained.map(({ body }, index) => (index === 7 ? '{"action":"nothing"}' : body)))
    expect((await judged(receipt, after))?.reason).toContain('head kept outside')
    expect((await judged(receipt, chained.slice(0, 5)))?.reason).toContain('#6, which is missing')
  })

  it('alone is judged by the key that is given', async () => {
    expect((await verifyReceipt(`${await signer.receipt(statement)}\n`, [signer.jwk])).receipt).toEqual(statement)
    await expect(verifyReceipt(await signer.receipt(statement), [other.jwk])).rejects.toBeInstanceOf(UnreadableError)
  })

  it('is told by the command, with an export and alone', async () => {
    const machine = await startMachine()
    try {
      const file = async (name: string, text: string) => {
        await writeFile(join(machine.home, name), text)
        return join(machine.home, name)
      }
      const run = (...args: string[]) => machine.run(['audit', 'verify', ...args])
      const receipt = await file('receipt.jws', await signer.receipt(statement))
      const trail = await file('trail.ndjson', write(chained, {}).join('\n'))
      const key = await file('key.json', JSON.stringify(signer.jwk))
      const whole = await run(trail, '--receipt', receipt)
      expect(whole.code).toBe(0)
      expect(whole.stdout).toContain('Revoked by usr_a')
      expect(whole.stdout).toContain('Blocked here: under way, 5 of 7 marked.')
      expect(whole.stdout).toContain('Upstream: 2 pending, 3 confirmed.')
      expect(whole.stdout).toContain('Could still work until: not known.')
      expect(whole.stdout).toContain('Not over: something of it is still pending.')
      expect(whole.stdout).toContain('The chain bears it out: event #6')
      const lies = await file('lies.jws', await changed({ by: 'usr_b' }))
      expect((await run(trail, '--receipt', lies)).code).toBe(1)
      const alone = await run(receipt, '--key', key)
      expect([alone.code, alone.stdout]).toEqual([0, expect.stringContaining(`by key ${signer.keyId}`)])
      expect((await run(receipt)).code).toBe(2)
    } finally {
      await machine.stop()
    }
  }, 30_000)
})

describe('valetkey audit verify', () => {
  let machine: Machine
  beforeAll(async () => {
    machine = await startMachine()
  })
  afterAll(() => machine.stop())

  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await machine.run(['audit', 'verify', ...args])
    return { code, out: stdout + stderr }
  }
  const file = async (name: string, lines: string[]) => {
    await writeFile(join(machine.home, name), `${lines.join('\n')}\n`)
    return join(machine.home, name)
  }

  it('G-03: says what holds, what does not and what it cannot know, and exits by it', async () => {
    const good = await file('good.ndjson', write(events))
    const key = await file('key.json', [JSON.stringify(signer.jwk)])
    const log = await file('log.ndjson', [JSON.stringify({ head: heads[9], msg: 'audit head' })])
    const bad = await file('bad.ndjson', write(replaced(5, { body: '{}' })))
    const fine = await run(good, '--heads', log, '--key', key)
    expect(fine.code).toBe(0)
    expect(fine.out).toMatch(
      new RegExp(`12 events.*\\n.*#9, signed 2026-03-01T12:00:09Z with key ${signer.keyId}, kept outside`),
    )
    expect(fine.out).toContain('3 events after it are chained but not signed.')
    expect(fine.out).toContain('3 more were not chained yet')
    expect(fine.out).toContain('Truncation after the last signed head cannot be detected.')
    const broken = await run(bad)
    expect([broken.code, broken.out]).toEqual([1, expect.stringContaining(`FIRST FAULT at #6 (${events[5]?.id})`)])
    expect((await run(join(machine.home, 'none'))).code).toBe(5)
    expect((await run(log)).code).toBe(2)
    expect((await run(good, '--key', log)).code).toBe(2)
    expect((await run()).code).toBe(2)
    const { stdout } = await machine.run(['audit', 'verify', bad, '--json'])
    expect(JSON.parse(stdout)).toMatchObject({ tenant, events: 5, fault: { seq: 6 } })
  }, 30_000)
})
