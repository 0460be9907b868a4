import { describe, expect, it } from 'vitest'
import { UpstreamError, type UpstreamFailure } from '../../lib/providers/provider.ts'
import { type CallKind, retryAfterSeconds, withRetries } from '../../lib/providers/retry.ts'

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
const fail = (failure: UpstreamFailure, retryAfter?: number) =>
  new UpstreamError(failure, 'scripted', { retryAfterSeconds: retryAfter })

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

  const afterUnknownEnd: [CallKind, number][] = [
    ['read', 3],
    ['revoke', 3],
    ['exchange', 1],
    ['mint', 1],
    ['refresh', 1],
    ['repeatableRefresh', 2],
  ]
  it.each(afterUnknownEnd)('K-24: after an unknown end a %s is made %i times at most', async (kind, times) => {
    expect(
      (
        await run(
          kind,
          [1, 2, 3, 4].map(() => fail('ambiguous')),
        )
      ).calls,
    ).toBe(times)
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
