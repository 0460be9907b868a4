import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { errorCodes } from '../../lib/errors.ts'
import { UpstreamError, type UpstreamFailure } from '../../lib/providers/provider.ts'
import { type CallKind, retries, retryAfterSeconds, withRetries } from '../../lib/providers/retry.ts'

/** Runs a call that fails as scripted, then succeeds; tells how often it was made and what was waited. */
async function run(kind: CallKind, failures: UpstreamError[]) {
  const waits: number[] = []
  let calls = 0
  const outcome = await withRetries({ sleep: async (ms) => void waits.push(ms / 1000) }, kind, async () => {
    const failure = failures[calls]
    calls += 1
    if (failure) throw failure
    return 'ok'
  }).catch((error: unknown) => error as UpstreamError)
  return { outcome, calls, waits }
}
const fail = (failure: UpstreamFailure, retryAfter?: number, status?: number) =>
  new UpstreamError(failure, 'scripted', { retryAfterSeconds: retryAfter, status })
/** An error of each column of the table. */
const endings = {
  busy: fail('unreached', undefined, 429),
  unconnected: fail('unreached'),
  failed: fail('ambiguous', undefined, 503),
  cutOff: fail('ambiguous'),
}
const table = Object.entries(retries) as [CallKind, (typeof retries)[CallKind]][]

describe('repeats of upstream calls', () => {
  it('K-24: 429 and connect errors are repeated 1, 2 s apart, at most three tries', async () => {
    expect(await run('read', [fail('unreached'), fail('unreached')])).toEqual({
      outcome: 'ok',
      calls: 3,
      waits: [1, 2],
    })
    expect(
      (
        await run(
          'read',
          [1, 2, 3].map(() => fail('unreached')),
        )
      ).calls,
    ).toBe(3)
  })

  it('K-24: Retry-After is honoured', async () => {
    expect((await run('exchange', [fail('unreached', 5)])).waits).toEqual([5])
  })

  it('K-24: what asks for more patience than a caller has is left to a later try', async () => {
    expect((await run('read', [fail('unreached', 30)])).calls).toBe(1)
  })

  const mostTries: [CallKind, number, number, number, number][] = [
    ['read', 3, 3, 3, 3],
    ['exchange', 3, 3, 1, 1],
    ['refresh', 3, 3, 1, 1],
    ['repeatableRefresh', 3, 3, 2, 2],
    ['sessionRefresh', 1, 3, 1, 1],
    ['mint', 3, 3, 1, 1],
    ['child', 3, 3, 1, 1],
    ['revoke', 3, 3, 3, 3],
  ]
  it.each(mostTries)(
    'K-24: %s is sent %i times at most after 429, %i after no connection, %i after 5xx, %i after an answer that broke off',
    async (kind, ...most) => {
      for (const [index, error] of Object.values(endings).entries())
        expect((await run(kind, [error, error, error, error])).calls, Object.keys(endings)[index]).toBe(most[index])
    },
  )

  it('K-24: every kind of call is in the table; what is given up tells people what to do', () => {
    expect(table.map(([kind]) => kind)).toEqual(mostTries.map(([kind]) => kind))
    for (const [kind, { code, why }] of table) {
      expect(code !== null || kind === 'revoke', kind).toBe(true)
      if (code) expect(errorCodes[code].next, kind).toMatch(/again|new one/)
      expect(why, kind).toMatch(/\.$/)
    }
    // The code may be spent: waiting alone would not help.
    expect(errorCodes[retries.exchange.code ?? 'internal'].next).toMatch(/^Link again from the start/)
  })

  it('K-24: the manual shows the table as it is', () => {
    const page = readFileSync(new URL('../../docs/keboola.md', import.meta.url), 'utf8')
    const cells = (count: number) => (count === 1 ? 'not repeated' : `${count} tries`)
    for (const [, { call, tries, why }] of table)
      expect(page).toContain(
        `| ${[call, ...[tries.busy, tries.unconnected, tries.failed, tries.cutOff].map(cells), why].join(' | ')} |`,
      )
  })

  it('a refusal after an unknown end is marked as its possible echo', async () => {
    const { outcome } = await run('repeatableRefresh', [fail('ambiguous'), fail('refused')])
    expect(outcome).toMatchObject({ failure: 'refused', afterAmbiguous: true })
  })

  it('a refusal is never repeated', async () => {
    for (const kind of ['read', 'exchange', 'refresh', 'mint', 'revoke'] as const)
      expect((await run(kind, [fail('refused')])).calls).toBe(1)
  })

  it('reads Retry-After as seconds and as a date, capped at a minute', () => {
    const now = new Date('2026-01-01T00:00:00Z')
    const of = (value: string) => retryAfterSeconds(new Headers({ 'retry-after': value }), now)
    expect([of('2'), of('900'), of('Thu, 01 Jan 2026 00:00:10 GMT'), of('soon'), of('-3')]).toEqual([
      2,
      60,
      10,
      undefined,
      0,
    ])
    expect(retryAfterSeconds(new Headers(), now)).toBeUndefined()
  })
})
