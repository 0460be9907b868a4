import { client, send } from '@/app/_features/client.ts'
import type { Problem } from '@/app/_ui/action.ts'
import type { ErrorCode } from '@/lib/client/index.ts'

/** Where the last page of a link names its attempt. Only pages of this origin hear it. */
const ends = 'valetkey-link-ends'
/** Where the pop-up that an attempt ended in hears which attempt comes next; its own: none does. */
const nextOf = (attempt: string) => `valetkey-link-after-${attempt}`

/** An attempt's id is all that a message may be. */
const attemptIn = (data: unknown): string | undefined =>
  typeof data === 'string' && /^att_[0-9a-f]{32}$/.test(data) ? data : undefined

export type Wanted = { provider: string; connection?: string | undefined }
/** How a link ended, as the server says. `silent`: nobody had to be asked. `lost`: we can neither see the window nor lead it on. */
export type Ended =
  | { as: 'finished' | 'silent' | 'denied' | 'cancelled' | 'timed_out' | 'lost' }
  | { as: 'failed'; problem: Problem }
export type Standing = Ended | { as: 'waiting' } | { as: 'under_way' }

/** In milliseconds: messages can be lost, and a link times out without one. */
const askedEvery = 4_000
/** In milliseconds: how long the last page of a pop-up and its opener listen for each other. */
const heardFor = 30_000

/** Opens an empty pop-up: in the click itself, or the browser refuses. null: it did. */
export function openPopup(): Window | null {
  const popup = window.open('', '', 'popup,width=560,height=760')
  if (popup) {
    // The upstream's page gets no hold of ours.
    popup.opener = null
    popup.document.title = 'Valetkey'
    popup.document.body.textContent = 'One moment. You are sent to the upstream.'
  }
  return popup
}

type Telling = { tenant: string; popup: Window; stop: AbortSignal; tell: (index: number, now: Standing) => void }

/** Links one after the other in one pop-up, and tells how each goes. What is denied or fails is left, and the next begins. */
export async function linkInPopup(wanted: readonly Wanted[], { tenant, popup, stop, tell }: Telling): Promise<void> {
  const channel = new BroadcastChannel(ends)
  const answers = new Map<string, string>()
  const answer = (ended: string) => {
    const next = answers.get(ended)
    if (next) post(nextOf(ended), next)
  }
  channel.addEventListener('message', ({ data }) => answer(attemptIn(data) ?? ''))
  let before: string | undefined
  try {
    for (const [index, { provider, connection }] of wanted.entries()) {
      if (stop.aborted) return
      tell(index, { as: 'under_way' })
      const body = { provider, popup: true, ...(connection && { connection }) }
      const sent = await send(client.POST('/api/v1/tenants/{tenant}/attempts', { params: { path: { tenant } }, body }))
      if (!sent.ok) {
        tell(index, { as: 'failed', problem: sent.problem })
        continue
      }
      const { id, url } = sent.data
      // It works again already: the window is not needed for it.
      if (new URL(url).origin === window.location.origin) {
        tell(index, { as: 'silent' })
        continue
      }
      if (before) {
        // Its last page is cut off from this one: it asks the server for the address itself, and no message holds it.
        answers.set(before, id)
        answer(before)
      } else popup.location.href = url
      const ended = await endOf(tenant, id, { popup, channel, stop, wasAway: false })
      tell(index, ended)
      // There is no last page of ours in the window that could go on.
      if (ended.as === 'cancelled' || ended.as === 'timed_out' || ended.as === 'lost') return
      before = id
    }
  } finally {
    if (before) {
      answers.set(before, before)
      answer(before)
    }
    popup.close()
    // A window whose last page loads looks closed (its opener policy), before that page's scripts ask what comes next.
    setTimeout(() => channel.close(), heardFor)
  }
}

/** Answers that another question does not change. */
const final: ReadonlySet<string> = new Set<ErrorCode>(['not_found', 'forbidden', 'unauthenticated', 'session_refused'])

type Watched = {
  popup: Window
  channel: BroadcastChannel
  stop: AbortSignal
  /** Whether the window was seen at the upstream. */
  wasAway: boolean
}

/** Waits until the server says how an attempt ended. A message and a closed window are only reasons to ask it. */
async function endOf(tenant: string, attempt: string, watched: Watched): Promise<Ended> {
  const at = { params: { path: { tenant, attempt } } }
  const one = '/api/v1/tenants/{tenant}/attempts/{attempt}'
  const read = () => send(client.GET(one, at)).catch(() => undefined)
  for (;;) {
    const reason = await reasonToAsk(attempt, watched)
    let said = await read()
    if (reason === 'gone' && said?.ok && said.data.status === 'pending') {
      // Refused where it ended meanwhile: then that is how it ended.
      await send(client.DELETE(one, at)).catch(() => undefined)
      said = await read()
    }
    if (said && !said.ok && final.has(said.code)) return { as: 'failed', problem: said.problem }
    const ended = said?.ok ? endIn(said.data) : undefined
    if (ended) return ended
    if (watched.stop.aborted) return { as: 'lost' }
  }
}

type View = { status: string; outcome: string | null; detail: string | null }

/** Its person said no at the upstream. */
const denied: ErrorCode = 'link_denied'

/** undefined: it has not ended. */
function endIn({ status, outcome, detail }: View): Ended | undefined {
  if (status === 'pending' || status === 'going_on') return undefined
  if (status === 'done') return { as: 'finished' }
  if (status === 'expired') return { as: 'timed_out' }
  if (outcome === denied) return { as: 'denied' }
  if (outcome === 'cancelled') return { as: 'cancelled' }
  return { as: 'failed', problem: { title: detail ?? 'The link failed' } }
}

/**
 * `gone`: the person stopped it, or closed the window. That is believed only of a window that was seen at the upstream: one whose
 * page has an opener policy of its own looks closed from the start (HTML, 7.1.3), and then the server alone knows.
 */
function reasonToAsk(attempt: string, watched: Watched): Promise<'told' | 'gone' | 'time'> {
  const { popup, channel, stop } = watched
  return new Promise((resolve) => {
    const began = performance.now()
    const settle = (reason: 'told' | 'gone' | 'time') => {
      clearInterval(looking)
      channel.removeEventListener('message', onMessage)
      stop.removeEventListener('abort', onStop)
      resolve(reason)
    }
    const onMessage = ({ data }: MessageEvent<unknown>) => {
      if (attemptIn(data) === attempt) settle('told')
    }
    const onStop = () => settle('gone')
    const looking = setInterval(() => {
      watched.wasAway ||= isAway(popup)
      if (watched.wasAway && popup.closed) settle('gone')
      else if (performance.now() - began > askedEvery) settle('time')
    }, 400)
    channel.addEventListener('message', onMessage)
    stop.addEventListener('abort', onStop)
    if (stop.aborted) onStop()
  })
}

/** Whether the window is there, at another origin. */
function isAway(popup: Window): boolean {
  if (popup.closed) return false
  try {
    return popup.location.origin !== window.location.origin && popup.location.href !== 'about:blank'
  } catch {
    return true
  }
}

function post(name: string, attempt: string): void {
  const channel = new BroadcastChannel(name)
  channel.postMessage(attempt)
  channel.close()
}

/** In the last page of a pop-up: names its attempt, and hears whether another one follows in this window. Answers how to stop. */
export function tellOpener(attempt: string, on: { next: (attempt: string) => void; none: () => void }): () => void {
  const channel = new BroadcastChannel(nextOf(attempt))
  channel.addEventListener('message', ({ data }) => {
    const next = attemptIn(data)
    if (next === attempt) on.none()
    else if (next) on.next(next)
  })
  post(ends, attempt)
  // Nobody is there any more.
  const late = setTimeout(on.none, heardFor)
  return () => {
    clearTimeout(late)
    channel.close()
  }
}
