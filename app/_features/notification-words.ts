import type { Tone } from '@/app/_ui/state-badge.tsx'
import { utcText } from '@/app/_ui/time-text.ts'
import type { NotificationView } from '@/lib/broker/notifications.ts'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'
import { because } from './event-words.ts'
import { healthWords, plural } from './words.ts'

const named = (about: NotificationView['about']) => (about?.name ? `“${about.name}”. ` : '')

/** A notification: what happened, what it means, and how good or bad that is. */
export function notificationWords({
  kind,
  cause,
  reason,
  until,
  about,
  ended,
}: Pick<NotificationView, 'kind' | 'cause' | 'reason' | 'until' | 'about' | 'ended'>): {
  what: string
  more: string
  tone: Tone
} {
  const health = (status: ConnectionView['status']) => healthWords({ status, cause, frozen: null }) ?? ''
  switch (kind) {
    case 'connection.degraded':
      return { what: 'Renewals are failing', more: health('degraded'), tone: 'attention' }
    case 'connection.uncertain':
      return { what: 'A renewal was interrupted', more: health('uncertain'), tone: 'attention' }
    case 'connection.needs_relink':
      return { what: 'Must be reconnected', more: health('needs_relink'), tone: 'broken' }
    case 'connection.frozen':
    case 'project.frozen':
    case 'provider.frozen':
    case 'client.frozen':
    case 'grant.frozen':
    case 'member.frozen': {
      const end = until ? utcText(until.getTime()) : 'it is lifted'
      const more = `Nothing is linked, issued or renewed until ${end}.${because({ reason })}`
      return { what: frozenTitles[kind], more, tone: 'frozen' }
    }
    case 'connection.unfrozen':
    case 'project.unfrozen':
    case 'provider.unfrozen':
    case 'client.unfrozen':
    case 'grant.unfrozen':
    case 'member.unfrozen':
      return { what: 'Freeze lifted', more: 'Issuing and renewing work again.', tone: 'healthy' }
    case 'connection.revoked':
      return {
        what: 'Disconnected',
        more: 'The stored tokens are destroyed. Link it again to use it.',
        tone: 'revoked',
      }
    case 'connection.recovered':
      return { what: 'Works again', more: 'The connection is linked and renews automatically.', tone: 'healthy' }
    case 'grant.ending':
      return { what: 'Expires soon', more: 'Renewals do not extend it. Reconnect before then.', tone: 'attention' }
    case 'provider.client_refused':
      return {
        what: 'A provider refuses Valetkey as a client',
        more: 'All connections are kept, but none renews until an admin fixes the client id and secret.',
        tone: 'broken',
      }
    case 'provider.check_failed':
      return {
        what: 'A check of a provider failed',
        more: `${checkWords[cause ?? ''] ?? 'Something that was fine before fails.'} The page of the provider says what to do.`,
        tone: 'broken',
      }
    case 'webhook.disabled':
      return {
        what: 'A webhook was switched off',
        more: cause === 'gone' ? 'Its receiver answered 410 Gone.' : 'It had been failing for five days.',
        tone: 'attention',
      }
    case 'token.leaked':
      return {
        what: 'A token was reported as leaked',
        more: `${named(about)}Somebody found its value and reported it, so it was revoked at once. Find out where it was copied from before you issue another.`,
        tone: 'broken',
      }
    case 'grant.leaked':
      return {
        what: 'A device or app was reported as leaked',
        more: `${named(about)}Somebody found a token of it and reported it, so it was signed out, and the tokens that it had issued were revoked. Find out where it was copied from before you sign in again.`,
        tone: 'broken',
      }
    case 'client.secret_leaked':
      return {
        what: 'A client secret was reported as leaked',
        more: `${named(about)}Somebody found it and reported it, so it is refused from now on. Give the client a new one.`,
        tone: 'broken',
      }
    case 'access.revoked':
      return {
        what: endedTitle(ended),
        more: `${endedNext(ended)}${reason ? ` Reason: ${reason}` : ''}`,
        tone: 'revoked',
      }
    case 'webhook.orphaned':
      return {
        what: 'A webhook needs a new owner',
        more: 'Its owner is no longer an admin. It keeps working: check it and take it over.',
        tone: 'attention',
      }
    default:
      // A kind of a newer version keeps its own name.
      return { what: String(kind).replaceAll(/[._]/g, ' '), more: '', tone: 'attention' }
  }
}
/** What somebody else ended: "3 tokens of yours were revoked". */
function endedTitle(ended: NotificationView['ended']): string {
  if (!ended) return 'Something of yours was revoked'
  if (ended.blocked) return 'Everything of yours was revoked, and your sign-in blocked'
  const parts = [
    ...(ended.connections > 0 ? [plural(ended.connections, 'connection')] : []),
    ...(ended.grants > 0 ? [plural(ended.grants, 'device or app')] : []),
    ...(ended.tokens > 0 ? [plural(ended.tokens, 'token')] : []),
    ...(ended.sessions > 0 ? [plural(ended.sessions, 'session')] : []),
    ...(ended.requests > 0 ? [plural(ended.requests, 'open request')] : []),
  ]
  return `Revoked by an admin: ${parts.join(', ')} of yours`
}

/** What to do about it. */
function endedNext(ended: NotificationView['ended']): string {
  if (ended?.blocked) return 'An admin must reinstate you before you can link and issue again.'
  if (ended && ended.connections > 0) return 'Whatever used it stops working. Link again to go on.'
  if (ended && ended.grants > 0) return 'Whatever used it stops working. Sign in there again to go on.'
  if (ended && ended.tokens === 0 && ended.sessions > 0) return 'Sign in again to go on.'
  if (ended && ended.tokens === 0 && ended.requests > 0) return 'Begin again if it was you.'
  return 'Whatever used it stops working. Issue another one if you still need it.'
}

/** What the first line of a check that failed means. */
const checkWords: Record<string, string> = {
  settings: 'Its stored settings cannot be read.',
  connection: 'Its upstream was not reached.',
  tls: 'A certificate that vouches for its upstream has ended.',
  discovery: 'The metadata of its upstream names other addresses than before.',
  keys: 'Its upstream publishes no key that verifies signatures.',
  client: 'Its upstream does not know our client.',
  redirect: 'Its upstream refuses our redirect URI.',
  verify: 'The Storage API of its stack is not there.',
}
const frozenTitles = {
  'connection.frozen': 'Frozen by an admin',
  'project.frozen': 'The project is frozen by an admin',
  'provider.frozen': 'The provider is frozen by an admin',
  'member.frozen': 'You are frozen by an admin',
  'client.frozen': 'An app of yours is frozen by an admin',
  'grant.frozen': 'A device or app of yours is frozen by an admin',
} as const
