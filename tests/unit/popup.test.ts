// The opener's side of a link in a pop-up: what it believes, and of whom.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { linkInPopup, type Standing, tellOpener } from '../../app/_features/popup.ts'

vi.mock('@/app/_features/client.ts', async (original) => ({
  ...(await original<typeof import('../../app/_features/client.ts')>()),
  client: (await import('../../lib/client/index.ts')).createValetkeyClient({ baseUrl: 'https://keys.example' }),
}))

const ids = ['1', '2', '3'].map((digit) => `att_${digit.repeat(32)}`) as [string, string, string]
const [first, second] = ids
const foreign = `att_${'9'.repeat(32)}`
type Attempt = { status: string; outcome: string | null; detail: string | null }
const pending: Attempt = { status: 'pending', outcome: null, detail: null }
const done: Attempt = { ...pending, status: 'done' }
const denied: Attempt = { status: 'failed', outcome: 'link_denied', detail: 'It was denied.' }

let attempts: Map<string, Attempt>
let calls: string[]
let hears: BroadcastChannel
beforeEach(() => {
  attempts = new Map()
  calls = []
  hears = new BroadcastChannel('valetkey-link-ends')
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout', 'performance'] })
  vi.stubGlobal('window', { location: new URL('https://keys.example/t/acme/projects') })
  vi.stubGlobal('fetch', async (request: Request) => {
    const { pathname } = new URL(request.url)
    const id = /att_\w+/.exec(pathname)?.[0]
    calls.push(`${request.method} ${id ?? 'attempts'}`)
    if (request.method === 'POST') {
      const made = ids[attempts.size] ?? ''
      attempts.set(made, pending)
      return Response.json(
        { id: made, url: `https://upstream.example/${made}`, expires_at: '2026-01-01T00:00:00Z' },
        { status: 201 },
      )
    }
    const known = attempts.get(id ?? '')
    if (request.method === 'DELETE') {
      if (known?.status !== 'pending') return Response.json({ code: 'not_found', title: 'Not found' }, { status: 404 })
      attempts.set(id ?? '', { status: 'failed', outcome: 'cancelled', detail: null })
      return new Response(null, { status: 204 })
    }
    return Response.json(known)
  })
})
afterEach(async () => {
  await vi.runOnlyPendingTimersAsync()
  hears.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

/** A window at another origin: its address cannot be read. */
class Away {
  closed = false
  at: string | undefined
  get location() {
    const window = this
    return {
      get origin(): string {
        if (window.at) throw new DOMException('another origin', 'SecurityError')
        return 'https://keys.example'
      },
      set href(url: string) {
        window.at = url
      },
      get href(): string {
        return 'about:blank'
      },
    }
  }
  close() {
    this.closed = true
  }
}

function begin(count = 1) {
  const popup = new Away()
  const stop = new AbortController()
  const said: Standing[] = []
  const wanted = Array.from({ length: count }, (_, index) => ({ provider: `prv_${index}` }))
  const over = linkInPopup(wanted, {
    tenant: 'acme',
    popup: popup as unknown as Window,
    stop: stop.signal,
    tell: (index, now) => {
      said[index] = now
    },
  })
  return { popup, stop, said, over }
}
const reads = () => calls.filter((call) => call.startsWith('GET'))
const post = (data: unknown) => hears.postMessage(data)

test('R-13 R-16: a message that names the attempt is a reason to ask the server, which alone says how it ended', async () => {
  const { popup, said, over } = begin()
  await vi.waitFor(() => expect(popup.at).toBe(`https://upstream.example/${first}`))
  post(first)
  await vi.waitFor(() => expect(reads()).toEqual([`GET ${first}`]))
  expect(said).toEqual([{ as: 'under_way' }])
  attempts.set(first, done)
  // The waiting for the next reason begins after the answer to the one before.
  await vi.waitFor(() => {
    post(first)
    expect(said).toEqual([{ as: 'finished' }])
  })
  await over
  expect(popup.closed).toBe(true)
})

test('R-16: a message of an unknown form, or about an attempt of somebody else, is ignored: the server is not even asked', async () => {
  const { popup, said, stop, over } = begin()
  await vi.waitFor(() => expect(popup.at).toBeDefined())
  const heard = new Promise((resolve) => {
    const witness = new BroadcastChannel('valetkey-link-ends')
    witness.onmessage = ({ data }) => {
      if (data !== 'the last') return
      witness.close()
      resolve(undefined)
    }
  })
  for (const message of [
    'success',
    { type: 'success', id: first },
    [first],
    null,
    foreign,
    ` ${first}`,
    `${first}0`,
    'the last',
  ])
    post(message)
  await heard
  expect([reads(), said]).toEqual([[], [{ as: 'under_way' }]])
  stop.abort()
  await over
})

test('R-16: a window that was closed is a cancelled link, at the server as well; one that finished before stays finished', async () => {
  const one = begin()
  await vi.waitFor(() => expect(one.popup.at).toBeDefined())
  // Also between two questions.
  await vi.advanceTimersByTimeAsync(4_400)
  one.popup.closed = true
  await vi.advanceTimersByTimeAsync(500)
  await one.over
  expect(one.said).toEqual([{ as: 'cancelled' }])
  expect(calls).toContain(`DELETE ${first}`)

  const two = begin()
  await vi.waitFor(() => expect(two.popup.at).toBeDefined())
  await vi.advanceTimersByTimeAsync(500)
  attempts.set(second, done)
  two.popup.closed = true
  await vi.advanceTimersByTimeAsync(500)
  await two.over
  expect(two.said).toEqual([{ as: 'finished' }])
  expect(calls).not.toContain(`DELETE ${second}`)
})

test('R-16: a window that looks closed from the start is not believed: its upstream has an opener policy, and the link goes on', async () => {
  const { popup, said, over } = begin()
  await vi.waitFor(() => expect(popup.at).toBeDefined())
  popup.closed = true
  await vi.advanceTimersByTimeAsync(3_000)
  expect([calls.filter((call) => call.startsWith('DELETE')), said]).toEqual([[], [{ as: 'under_way' }]])
  attempts.set(first, { ...pending, status: 'expired' })
  await vi.advanceTimersByTimeAsync(3_000)
  await over
  expect(said).toEqual([{ as: 'timed_out' }])
})

test('R-11 R-19: what is denied is left and the next begins in the same window, to which its id alone is sent', async () => {
  const { popup, said, over } = begin(2)
  await vi.waitFor(() => expect(popup.at).toBeDefined())
  attempts.set(first, denied)
  popup.closed = true
  const told: unknown[] = []
  const leave = tellOpener(first, { next: (next) => told.push(next), none: () => told.push('none') })
  await vi.waitFor(() => expect(told).toContain(second))
  leave()
  expect(new Set(told)).toEqual(new Set([second]))
  expect(said).toEqual([{ as: 'denied' }, { as: 'under_way' }])
  attempts.set(second, done)
  const end = new Promise((resolve) => {
    tellOpener(second, { next: resolve, none: () => resolve('none') })
  })
  expect(await end).toBe('none')
  await over
  expect(said).toEqual([{ as: 'denied' }, { as: 'finished' }])
})

test('R-11: a last page whose scripts run when the link is over already is told so, and its window closes', async () => {
  const { popup, over } = begin()
  await vi.waitFor(() => expect(popup.at).toBeDefined())
  await vi.advanceTimersByTimeAsync(500)
  attempts.set(first, denied)
  popup.closed = true
  await vi.advanceTimersByTimeAsync(500)
  await over
  const none = vi.fn()
  const leave = tellOpener(first, { next: vi.fn(), none })
  await vi.waitFor(() => expect(none).toHaveBeenCalled())
  leave()
})

test('R-12: an attempt whose code is being exchanged has not failed', async () => {
  const { popup, said, over } = begin()
  await vi.waitFor(() => expect(popup.at).toBeDefined())
  attempts.set(first, { ...pending, status: 'going_on' })
  await vi.advanceTimersByTimeAsync(5_000)
  expect(said).toEqual([{ as: 'under_way' }])
  attempts.set(first, done)
  await vi.advanceTimersByTimeAsync(5_000)
  await over
  expect(said).toEqual([{ as: 'finished' }])
})
