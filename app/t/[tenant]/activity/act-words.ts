import { eventWords } from '@/app/_features/event-words.ts'
import { plural } from '@/app/_features/words.ts'
import type { ActView } from '@/lib/audit/list.ts'

/** What one act ended many of, as a sentence. */
const ended: Record<string, (count: number) => string> = {
  'token.revoked': (count) => `${plural(count, 'token')} revoked`,
  'grant.ended': (count) => `${plural(count, 'device or app')} ended`,
  'connection.revoked': (count) => `${plural(count, 'connection')} disconnected`,
  'client.secret_ended': (count) => `${plural(count, 'client secret')} ended`,
}

/** Steps on the way to what an act came to: said by the act itself. */
const steps = new Set(['token.requested', 'refresh.succeeded', 'revocation.finished'])

/** An act in plain words: one event, what was asked and what came of it, or all that it ended and whose that was. */
export function actWords({ event, others, counts, owner, owners }: ActView, nameOf: (id: string) => string) {
  const own = eventWords(event)
  const whose = owner ? ` of ${nameOf(owner)}` : owners > 1 ? ` of ${owners} people` : ''
  const many = counts[event.action] ?? 1
  const what = many > 1 && ended[event.action] ? `${ended[event.action]?.(many)}${whose}` : own.what
  const beside = others.flatMap(({ action }) => {
    if (steps.has(action)) return []
    const count = counts[action] ?? 1
    return [
      ended[action]?.(count) ??
        (count > 1
          ? `${eventWords({ action, details: {} }).what} ×${count}`
          : eventWords({ action, details: {} }).what),
    ]
  })
  const requested = others.find(({ action }) => action === 'token.requested')
  const said = [
    many > 1 && ended[event.action] ? '' : own.more,
    event.action === 'token.issued' && requested ? eventWords(requested).more : '',
    beside.length > 0 ? `With it: ${beside.join(', ')}${many > 1 && ended[event.action] ? '' : whose}.` : '',
  ]
  return { what, more: said.filter(Boolean).join(' ') }
}
