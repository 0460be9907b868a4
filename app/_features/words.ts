import type { Tone } from '@/app/_ui/state-badge.tsx'
import { durationText, utcText } from '@/app/_ui/time-text.ts'
import type { AuditAction, DetailsOf } from '@/lib/audit/catalogue.ts'
import type { AuditView } from '@/lib/audit/list.ts'
import type { FrozenView } from '@/lib/broker/freezes.ts'
import type { NotificationView } from '@/lib/broker/notifications.ts'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'
import type { GrantView } from '@/lib/broker/read/grants.ts'
import type { Total } from '@/lib/broker/read/page.ts'
import type { ProjectCard } from '@/lib/broker/read/project.ts'
import type { RevocationView, TokenView } from '@/lib/broker/read/token.ts'
import { type ErrorCode, errorCodes } from '@/lib/errors.ts'
import type { ReadingFailure } from '@/lib/store/mcp.ts'

const count = new Intl.NumberFormat('en')
const irregular: Record<string, string> = { person: 'people', try: 'tries', 'device or app': 'devices and apps' }

/** "1 token", "12 tokens". */
export const plural = (number: number, noun: string): string =>
  `${count.format(number)} ${number === 1 ? noun : (irregular[noun] ?? `${noun}s`)}`

/** What a connection reaches, in a few words: "Items and 2 more". */
export const projectsName = ({ projects: [first, ...others] }: { projects: { name: string }[] }): string =>
  first ? `${first.name}${others.length > 0 ? ` and ${others.length} more` : ''}` : 'no project'

/** The same for what is counted up to a bound only: "more than 1,000 tokens". */
export const pluralUpTo = ({ total, totalIsCapped }: Total, noun: string): string =>
  `${totalIsCapped ? 'more than ' : ''}${plural(total, noun)}`

/** A project as its upstream calls it: a number of its own, or where its API is; an audience as it is. */
export const externalName = (externalId: string): string =>
  /^[a-z]+:/.test(externalId) ? externalId : `#${externalId}`

/** Rights in a row of a table: "read 3 · write 1". Lines break after a dot alone. */
export const rightsInShort = ({ summary }: TokenView['rights']): string =>
  summary.map((part) => part.replaceAll(' ', '\u00a0')).join('\u00a0· ') || 'none'

/** How a token was made, after what came back. */
export const strategyWords: Record<TokenView['strategy'], string> = {
  mint: 'mint: a token that the upstream creates',
  exchange: 'exchange: the upstream swapped a token for a narrower one (RFC 8693)',
  narrow: 'narrow: a refresh with fewer scopes',
  proxy: 'proxy: a Valetkey token for requests that go through Valetkey',
  sign: 'sign: made by Valetkey for one of your own APIs',
}

/** The same of one token or way; who goes through the gateway for MCP servers is told so. */
export const strategyText = (strategy: TokenView['strategy'], atGateway: boolean): string =>
  atGateway ? 'proxy: a Valetkey token for calls that go through the gateway' : strategyWords[strategy]

/** A way to make a token as a person chooses it: what it is, and how it differs from the others. */
export const wayWords: Record<TokenView['strategy'], { label: string; hint: (host: string) => string }> = {
  mint: {
    label: 'The upstream creates a token',
    hint: (host) => `It works directly at ${host}. When you revoke it, the upstream has to delete it there.`,
  },
  exchange: {
    label: 'The upstream swaps a token for a narrower one',
    hint: (host) => `It works directly at ${host}. When you revoke it, the upstream has to end it there.`,
  },
  narrow: {
    label: 'The upstream makes a smaller token',
    hint: (host) =>
      `It works directly at ${host}, with fewer scopes than your connection. When you revoke it, the upstream has to end it there.`,
  },
  proxy: {
    label: 'Through Valetkey',
    hint: (host) =>
      `It works only at Valetkey’s own address, which passes requests on to ${host}. Revoked, it is dead at once, and every use is counted.`,
  },
  sign: {
    label: 'Valetkey makes the token',
    hint: (host) => `It is for ${host} alone, which accepts what this tenant’s issuer vouches for.`,
  },
}

/** The words of a way; the gateway for MCP servers has its own. */
export const wayText = ({ strategy, asks }: { strategy: TokenView['strategy']; asks: 'rights' | 'rules' }) =>
  strategy === 'proxy' && asks === 'rights' ? gatewayWords : wayWords[strategy]

const gatewayWords: (typeof wayWords)['proxy'] = {
  label: 'Through the gateway',
  hint: (host) =>
    `It works only at the gateway’s own address, which passes on to ${host} what the token allows, and nothing else. Revoked, it is dead at once, and every call is counted.`,
}

/** In place of a last use. What passes through us is known. */
export const lastUseWords = ({ strategy }: Pick<TokenView, 'strategy'>): string =>
  strategy === 'proxy' ? 'never' : 'not reported'

const causes: Record<string, string> = {
  refused: 'The upstream refused the stored grant: it expired or was revoked there.',
  expired: 'The grant expired: the upstream gave it a fixed lifetime.',
  lost_in_rotation: 'A renewal was interrupted, and the new token from the upstream was lost.',
  another_account: 'The upstream now reports a different account than the one that was linked.',
  unreadable: 'The stored token cannot be read with the current keys.',
  signed_out:
    'The upstream ended the session in which this was linked. Tokens that were already issued there work until they expire.',
  turned_away: 'The server refused a token that had just been renewed.',
  shredded: 'The keys of this tenant were destroyed, so its stored tokens are gone.',
  upstream_unavailable: 'The upstream does not answer, or it fails.',
  upstream_protocol: 'The upstream sends invalid answers.',
  upstream_failed: 'The upstream fails.',
  upstream_rejected: 'The upstream rejected the renewal but did not revoke the grant.',
  client_not_registered:
    'The upstream refuses Valetkey as a client. The connection is intact; an admin must fix the client settings.',
}

/** Why the list of an MCP server's tools could not be read, and what helps. */
export const readingWords: Record<ReadingFailure, { why: string; next: string }> = {
  no_token: {
    why: 'The connection that asked gave no token for it.',
    next: 'Reconnect the project, or ask the server with your own connection.',
  },
  refused: {
    why: 'The server refused the token of the connection that asked.',
    next: 'Reconnect the project, then ask again.',
  },
  no_revision: {
    why: 'The server speaks no revision of the protocol that Valetkey speaks, or no MCP at its address.',
    next: 'Ask whoever runs the server.',
  },
  no_list: { why: 'The server did not answer with a list of its tools.', next: 'Ask whoever runs the server.' },
  too_long: {
    why: 'The server has more tools than Valetkey keeps, or its list has no end.',
    next: 'What is shown is a part of them; none is said to be gone.',
  },
  upstream_unavailable: { why: 'The server did not answer, or it failed.', next: 'Ask it again in a few minutes.' },
  upstream_protocol: { why: 'The server sent an answer that cannot be read.', next: 'Ask whoever runs the server.' },
  internal: { why: 'Something failed inside Valetkey.', next: 'Ask again. If it keeps failing, tell an admin.' },
}

type State = Pick<ConnectionView, 'status' | 'cause' | 'frozen'>

/** What it is that somebody froze. */
export const frozenWords: Record<FrozenView['kind'], string> = {
  member: 'The owner of this connection is frozen in this tenant.',
  provider: 'Its provider is frozen.',
  project: 'Its project is frozen.',
  connection: 'An admin has frozen this connection.',
  client: 'The app is frozen in this tenant.',
  grant: 'The device or app is frozen.',
  membership: 'The owner of this connection is suspended in this tenant.',
}

/** The same where a token is told of that works through us. */
export const tokenFrozenWords: Record<FrozenView['kind'], string> = {
  ...frozenWords,
  member: 'The owner of this token is frozen in this tenant.',
  connection: 'Its connection is frozen.',
  client: 'The app that issued it is frozen in this tenant.',
  grant: 'The device or app that issued it is frozen.',
  membership: 'The owner of this token is suspended in this tenant.',
}

/** The same of a device or app. */
export const grantFrozenWords: Record<FrozenView['kind'], string> = {
  ...frozenWords,
  member: 'Its owner is frozen in this tenant.',
  client: 'This app is frozen in this tenant, for everyone.',
  grant: 'An admin has frozen this device or app.',
  membership: 'Its owner is suspended in this tenant.',
}

/** How a person let a device or app in. */
export const viaWords: Record<GrantView['via'], string> = {
  device: 'by a code that was typed at a browser',
  code: 'in the browser beside it',
}

/** Why a device or app is over. */
export const grantEndWords: Record<NonNullable<GrantView['cause']>, { what: string; meaning: string }> = {
  revoked: { what: 'Revoked', meaning: 'It was signed out, and the tokens that it had issued were revoked.' },
  reuse: {
    what: 'Ended: a refresh token was used twice',
    meaning:
      'Either somebody copied it, or the program sent an old one. Whoever holds it has lost access, and the tokens that it had issued were revoked. If you did not expect this, find out who could read it before you sign in again.',
  },
  signed_out: { what: 'Signed out', meaning: 'The program signed itself out.' },
  expired: { what: 'Expired', meaning: 'Its time is over. Sign in with it again to go on.' },
  withdrawn: {
    what: 'No longer valid',
    meaning: 'The program was removed or changed, or the membership changed. It must be let in again.',
  },
}

/** What a freeze stops, and what it does not. */
export const freezeMeans =
  'Nothing is linked, issued or renewed, and nothing passes through Valetkey. Tokens that work directly at the upstream keep working until they expire: revoke those that must stop.'

/** The same of a device or app. */
export const programFreezeMeans =
  'It can do nothing here, and nothing passes through Valetkey with tokens that it issued. Tokens that work directly at the upstream keep working until they expire: revoke those that must stop.'

/** How a connection is shown: a freeze over any state. */
export const shownState = ({ status, frozen }: Pick<State, 'status' | 'frozen'>) => (frozen ? 'frozen' : status)

/** Why a connection is as it is, as far as that is known. */
export function causeWords({ status, cause, frozen }: State): string | null {
  if (frozen) return frozenWords[frozen.kind]
  if (status === 'revoked') return 'It was disconnected.'
  if (cause) return causes[cause] ?? `Cause: ${cause.replaceAll('_', ' ')}.`
  return status === 'uncertain' ? 'The last renewal was interrupted.' : null
}

/** What a connection's state means for its owner, and what is done about it. Nothing for a healthy one. */
export function healthWords(connection: State): string | null {
  const why = causeWords(connection)
  if (connection.frozen) return `${why} ${freezeMeans}`
  switch (connection.status) {
    case 'linked':
      return null
    case 'degraded':
      return `${why ?? 'The last renewal failed.'} We retry automatically.`
    case 'uncertain':
      return `${why} The next retry will show whether it took effect.`
    case 'needs_relink':
      return why ?? 'The stored grant no longer works.'
    case 'revoked':
      return `${why} The stored tokens are destroyed. Link it again to use it.`
  }
}

export type NextAct = 'link' | 'issue' | 'try' | 'reconnect' | 'lift'

/** What can be done about a connection: one act. Lifting a freeze is an admin's. No status: it is not linked. */
export function nextActOf({
  status,
  frozen,
}: { status?: ConnectionView['status'] | undefined } & Pick<State, 'frozen'>): NextAct {
  if (frozen) return 'lift'
  switch (status) {
    case 'linked':
      return 'issue'
    case 'degraded':
    case 'uncertain':
      return 'try'
    case 'needs_relink':
      return 'reconnect'
    case 'revoked':
    case undefined:
      return 'link'
  }
}

/** Whether a token can be had now for a project: from a healthy connection, or while the stored access token of an ailing one lives. */
export function canIssue(
  { connection, audience, frozen }: Pick<ProjectCard, 'connection' | 'audience' | 'frozen'>,
  now: Date,
): boolean {
  // The tenant's own audience needs no connection.
  if (audience) return !frozen
  const act = nextActOf({ status: connection?.status, frozen })
  return act === 'issue' || (act === 'try' && stillServes(connection, now))
}

/** Whether the stored access token still works at `now`, whatever the upstream does. */
export const stillServes = (connection: Pick<ConnectionView, 'servesUntil'> | null, now: Date): boolean =>
  (connection?.servesUntil ?? now) > now

/** The second truth of a revocation, in a sentence. */
export const upstreamTruth: Record<RevocationView['upstream'], string> = {
  pending: 'Not yet. We retry automatically until the upstream answers.',
  done: 'The upstream accepted the revocation.',
  confirmed: 'We checked afterwards: the upstream refuses the token.',
  failed: 'The upstream did not revoke it.',
  impossible: 'This upstream cannot revoke it. Only our copy was destroyed.',
  none: 'Nothing to revoke there: the token worked only through Valetkey.',
}

/** The same of a token for one of the tenant's own APIs: there is no upstream, but whoever verifies it. */
export const signedTruth = {
  none: 'Nothing to revoke elsewhere: the API asks Valetkey about it.',
  impossible: 'Impossible: the API verifies it by its signature and does not ask Valetkey.',
} as const

/** What is to be known of a token before it is made that nobody can take back. */
export const offlineMeans =
  'The API verifies it by itself. If you revoke it, Valetkey refuses it at once, but the API accepts it until it expires.'

/** How the last try of a message to a webhook ended badly. */
export function deliveryWords(error: string): string {
  const status = /^http_(\d{3})$/.exec(error)?.[1]
  if (status) return `The receiver answered ${status}.`
  return deliveryErrors[error] ?? error.replaceAll('_', ' ')
}
const deliveryErrors: Record<string, string> = {
  not_reached: 'The address could not be reached.',
  no_answer: 'The receiver sent no usable answer.',
  unreadable: 'The signing key cannot be read with the current keys. Rotate it.',
  webhook_off: 'The webhook was switched off before delivery.',
  interrupted: 'It was interrupted; the result is unknown.',
}

const failures: Record<string, string> = {
  cut_off: 'Issuing was interrupted. Anything the upstream had created was deleted there.',
  ended_by_itself:
    'Issuing was interrupted, and the upstream could not be asked. Anything it created has expired by now.',
  unseen:
    'Issuing was interrupted, and this upstream cannot be asked what it created. Nobody received the value; it may work until it expires there.',
}

const titleOf = (code: string): string =>
  code in errorCodes ? errorCodes[code as ErrorCode].title : code.replaceAll('_', ' ')

/** Why a token does not exist. */
export const failureWords = (failure: string): string => failures[failure] ?? `${titleOf(failure)}.`

/** Of an event of any version: what the catalogue knows of may be missing. */
type Details<Fact extends string> = { [Name in Fact]?: unknown }
const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value))
const because = (details: Details<'reason'>) => (details.reason ? ` Reason: ${text(details.reason)}` : '')
const cause = (details: Details<'cause'>) => causes[text(details.cause)] ?? ''
/** A device or app that ended, by what ended it. */
const grantEnds: Record<string, string> = {
  reuse: 'Device or app ended: a refresh token was used twice',
  signed_out: 'Device or app signed out',
}
/** What came of a call: the status where the upstream gave no reason, else the reason. */
const answered = (details: Details<'upstream_status' | 'cause'>) =>
  details.upstream_status && text(details.cause).startsWith('upstream_')
    ? `The upstream answered ${text(details.upstream_status)}.`
    : cause(details)
const isRefused = ({ code }: { code?: unknown }) => code === 'excess_rights' || code === 'unsound_token'
const coded = (details: Details<'code'>) => (details.code ? ` ${titleOf(text(details.code))}.` : '')
/** Of what happens often only the first in a minute has an event of its own. */
const repeats = ({ count }: Details<'count'>) => (count ? ` ${plural(Number(count), 'more time')} in that minute.` : '')
const trustedClientWords = ({ client, scopes }: Details<'client' | 'scopes'>) =>
  `${text(client)} may: ${Array.isArray(scopes) && scopes.length > 0 ? scopes.join(', ') : 'nothing'}.`
const mayBeGranted = ({ scopes }: Details<'scopes'>) =>
  `It may be granted: ${Array.isArray(scopes) && scopes.length > 0 ? scopes.join(', ') : 'nothing of this API'}.`
/** What ended with what a client was given. */
const heldWords = ({ grants, tokens }: Details<'grants' | 'tokens'>) =>
  grants === undefined ? '' : `Ended with it: ${plural(Number(grants), 'grant')}, ${plural(Number(tokens), 'token')}.`
const roleOf = (details: Details<'role'>) => text(details.role) || 'member'
/** What ended with somebody's rights: only what there was. */
const endedWords = (details: Details<'connections' | 'tokens' | 'sessions' | 'invitations' | 'reason'>) => {
  const ended = (['connection', 'token', 'session', 'invitation'] as const).flatMap((noun) => {
    const count = Number(details[`${noun}s`] ?? 0)
    return count > 0 ? [plural(count, noun)] : []
  })
  return `${ended.length > 0 ? `Revoked or closed with it: ${ended.join(', ')}.` : ''}${because(details)}`
}

/** What somebody showed who found it. */
export const shownWords: Record<string, string> = {
  proxy_token: 'a token for the proxy',
  own_token: 'a token for one of your own APIs',
  access_token: 'an access token',
  refresh_token: 'a refresh token',
  device_code: 'a device code',
  authorization_code: 'an authorization code',
  client_secret: 'a client secret',
  upstream_token: 'an upstream token',
}

/** How the work on one upstream revocation came to its end. */
const finished: Record<string, string> = {
  done: 'Revoked upstream',
  confirmed: 'Revoked upstream and confirmed',
  failed: 'Upstream revocation failed',
  impossible: 'Could not be revoked upstream',
}

/** Every act of the audit trail as a sentence: what was done, then what is worth knowing about it. */
const acts = {
  'signin.succeeded': () => ['Signed in'],
  'signin.failed': (details) => ['Sign-in failed', coded(details)],
  'signin.ended': (details) =>
    details.owner ? ['Signed out by the identity provider', 'Its own session was over.'] : ['Signed out'],
  'tenant.created': () => ['Tenant created'],
  'tenant.shredded': () => ['Secrets of the tenant destroyed', 'Its stored secrets can never be read again.'],
  'keys.rotated': (details) => ['Encryption key rotated', `Now ${text(details.key)}.`],
  'signing.rotated': (details) => [
    'Next signing key published',
    `It signs from ${utcText(Date.parse(text(details.signs_from)))}.`,
  ],
  'signing.rolled_back': () => ['Signing key withdrawn', 'The one before signs.'],
  'keys.retired': (details) => ['Encryption key retired', text(details.key)],
  'secret.accepted': () => ['Root secret replaced'],
  'member.added': (details) => ['Joined', `As ${roleOf(details)}.`],
  'member.changed': (details) => [
    details.status === 'suspended' ? 'Member suspended' : details.status ? 'Member reinstated' : 'Role changed',
    `${details.role ? `Now ${roleOf(details)}.` : ''} ${endedWords(details)}`,
  ],
  'member.removed': (details) => ['Member removed', endedWords(details)],
  'member.left': (details) => ['Member left', endedWords(details)],
  'member.revoked': (details) => [
    details.blocked ? 'Everything revoked, and sign-in blocked' : 'Everything revoked',
    endedWords(details),
  ],
  'selection.revoked': (details) => [
    'Selection revoked',
    `${Number(details.count ?? 0).toLocaleString('en')} ${text(details.kind)}.${because(details)}`,
  ],
  'revocation.recorded': (details) => ['Recorded as ended upstream', because(details)],
  'revocations.retried': (details) => [
    'Unconfirmed revocations retried',
    plural(Number(details.count ?? 0), 'revocation'),
  ],
  'member.session_ended': () => ['Session ended', 'By this tenant.'],
  'invitation.created': (details) => ['Invitation created', `For the role ${roleOf(details)}.`],
  'invitation.withdrawn': () => ['Invitation withdrawn'],
  'provider.created': (details) => ['Provider added', text(details.issuer)],
  'provider.changed': (details) => [
    'Provider changed',
    `Changed: ${text(details.changed) || 'nothing'}.${details.trial === 'known' ? ' The upstream knows the new secret.' : ''}`,
  ],
  'provider.removed': (details) => ['Provider removed', text(details.issuer)],
  'provider.unregistered': ({ state }) => [
    state === 'done' ? 'Client deregistered' : 'Client not deregistered',
    state === 'done' ? 'Its authorization server has forgotten it.' : 'Its authorization server may still know it.',
  ],
  'provider.checked': ({ failed = 0, attention = 0, ok = 0, unknown = 0 }) => [
    'Provider checked',
    `${failed} failed, ${attention} need attention, ${ok} fine, ${unknown} not known.`,
  ],
  'tools.reviewed': ({ tools }) => [
    'Tools looked at',
    Array.isArray(tools) ? tools.map(({ name }: { name?: unknown }) => text(name)).join(', ') : '',
  ],
  'project.renamed': (details) => ['Alias changed', `From ${text(details.from)} to ${text(details.to)}.`],
  'audience.added': (details) => ['Audience added', text(details.audience)],
  'audience.changed': (details) => ['Audience changed', `Changed: ${text(details.changed) || 'nothing'}.`],
  'audience.removed': (details) => [
    'Audience removed',
    `${plural(Number(details.tokens ?? 0), 'token')} revoked with it.${because(details)}`,
  ],
  'link.asked': (details) => [
    { link: 'A program asked to link', reconnect: 'A program asked to reconnect' }[text(details.cause)] ??
      'A program asked for more scopes',
    Array.isArray(details.scopes) ? `Scopes: ${details.scopes.join(', ')}.` : '',
  ],
  'link.declined': () => ['Request of a program declined'],
  'link.started': () => ['Started linking'],
  'link.completed': (details) => [details.relinked ? 'Linked again' : 'Linked'],
  'link.failed': (details) => [
    details.code === 'cancelled' ? 'Linking cancelled' : 'Linking failed',
    details.code === 'cancelled' ? '' : coded(details),
  ],
  'connection.worked_again': () => ['Reconnected silently', 'The stored grant still works, so nobody was asked again.'],
  'connection.changed': () => ['Connection changed'],
  'connection.signed_out': (details) => [
    'Signed out at the upstream',
    `${causes.signed_out}${details.offline ? ' It took back offline access as well.' : ''}`,
  ],
  'connection.turned_away': () => ['Refused by the MCP server', causes.turned_away],
  'freeze.set': (details) => [
    'Frozen',
    `${details.until ? `Until ${utcText(Date.parse(text(details.until)))}` : 'Until it is lifted'}: nothing is linked, issued or renewed.${because(details)}`,
  ],
  'freeze.lifted': () => ['Freeze lifted'],
  'connection.frozen': (details) => ['Frozen', `Nothing is issued or renewed until it is lifted.${because(details)}`],
  'connection.unfrozen': (details) => ['Freeze lifted', because(details)],
  'refresh.succeeded': (details) => [
    details.flag
      ? 'Renewed, but must be reconnected'
      : details.before === 'degraded' || details.before === 'uncertain'
        ? 'Recovered: renewed again'
        : 'Renewed',
    causes[text(details.flag)] ?? (details.scheduled ? 'In the background.' : ''),
  ],
  'refresh.failed': (details) => [
    details.status === 'needs_relink' ? 'Renewal failed: must be reconnected' : 'Renewal failed',
    `${answered(details)}${details.served && details.status !== 'needs_relink' ? ' The previous access token is used until it expires.' : ''}`,
  ],
  'token.requested': (details) => ['Token requested', `For ${durationText(Number(details.seconds))}.`],
  'token.issued': (details) => ['Token issued', `Fingerprint ${text(details.fingerprint)}.`],
  'token.failed': (details) => [
    isRefused(details) ? 'Token refused' : 'Token not issued',
    `${coded(details)}${Array.isArray(details.exceeded) ? ` ${details.code === 'unsound_token' ? 'What was wrong' : 'More than requested'}: ${details.exceeded.join(', ')}.` : ''}`,
  ],
  'grant.ended': (details) => [
    grantEnds[text(details.cause)] ?? 'Device or app revoked',
    `${plural(Number(details.tokens ?? 0), 'token')} revoked with it.${because(details)}`,
  ],
  'token.revoked': (details) => [
    'Token revoked',
    `${details.fingerprint ? `Fingerprint ${text(details.fingerprint)}.` : ''}${because(details)}`,
  ],
  'connection.revoked': (details) => [
    'Disconnected',
    `${plural(Number(details.tokens ?? 0), 'token')} revoked with it.${because(details)}`,
  ],
  'token.used': ({ first, requests = 0, refused = 0 }) => [
    first ? 'Token first used' : requests > 0 ? 'Token used' : 'Use of a token refused',
    first
      ? 'Through Valetkey.'
      : `${[requests > 0 && `${plural(requests, 'request')} passed`, refused > 0 && `${count.format(refused)} refused`].filter(Boolean).join(', ')}, in one minute.`,
  ],
  'leak.inspected': ({ candidates = 0, found = 0 }) => [
    'Leaked text looked through',
    `${plural(Number(candidates), 'value')} looked up, ${Number(found)} of them from this tenant.`,
  ],
  'leak.reported': (details) => [
    'Reported as leaked, and revoked',
    `Somebody showed ${shownWords[text(details.form)] ?? 'a credential'} at the public door.`,
  ],
  'revocation.finished': (details) => [
    finished[text(details.state)] ?? 'Upstream revocation ended',
    upstreamTruth[text(details.state) as RevocationView['upstream']] ?? '',
  ],
  'revocation.retried': () => ['Upstream revocation retried'],
  'audit.exported': () => ['Activity exported'],
  'audit.downloaded': ({ format, filter }) => [
    `Activity downloaded as ${text(format).toUpperCase()}`,
    Array.isArray(filter) && filter.length > 0 ? `Filter: ${filter.join(', ')}.` : 'Without a filter.',
  ],
  'webhook.created': () => ['Webhook added'],
  'webhook.changed': (details) => [
    details.resent ? 'Webhook message sent again' : 'Webhook changed',
    details.changed ? `Changed: ${text(details.changed)}.` : '',
  ],
  'webhook.deleted': () => ['Webhook deleted'],
  'webhook.tested': (details) => [
    'Webhook tested',
    details.error ? deliveryWords(text(details.error)) : 'The test message was delivered.',
  ],
  'trusted_issuer.added': (details) => ['Trusted issuer added', `Its tokens count here: ${text(details.issuer)}`],
  'trusted_issuer.changed': (details) => ['Trusted issuer changed', `Changed: ${text(details.changed)}.`],
  'trusted_issuer.removed': (details) => [
    'Trusted issuer removed',
    `Its tokens count no more: ${text(details.issuer)}`,
  ],
  'trusted_client.added': (details) => ['Trusted client added', trustedClientWords(details)],
  'trusted_client.changed': (details) => ['Trusted client changed', trustedClientWords(details)],
  'trusted_client.removed': (details) => ['Trusted client removed', text(details.client)],
  'authorization.claimed': (details) => ['Device code entered', `Of the client ${text(details.client)}.`],
  'authorization.released': (details) => ['Device code given back', `Of the client ${text(details.client)}.`],
  'authorization.approved': ({ client, scopes }) => [
    'Access allowed',
    `The client ${text(client)} may: ${Array.isArray(scopes) && scopes.length > 0 ? scopes.join(', ') : 'nothing'}.`,
  ],
  'authorization.denied': ({ client, by }) => [
    'Access denied',
    `To the client ${text(client)}${by === 'identity provider' ? ', because the identity provider refused the sign-in' : ''}.`,
  ],
  'authorization.reported': ({ client, from }) => [
    'Reported: “This was not me”',
    `Somebody else began a sign-in with the client ${text(client)}${from ? ` from ${text(from)}` : ''}. It was denied.`,
  ],
  'policy.changed': ({ device_flow: devices, client_documents: programs }) => [
    'Settings changed',
    [
      devices && `Devices: ${text(devices).replaceAll('_', ' ')}.`,
      programs && `Programs that nobody registered: ${text(programs).replaceAll('_', ' ')}.`,
    ]
      .filter(Boolean)
      .join(' '),
  ],
  'client.introduced': (details) => [
    'App introduced itself',
    `What it says of itself stands at ${text(details.document)}. Nobody has registered it.`,
  ],
  'grant.created': ({ via, scopes }) => [
    via === 'code' ? 'App connected' : 'Device connected',
    `It may: ${Array.isArray(scopes) && scopes.length > 0 ? scopes.join(', ') : 'nothing'}.`,
  ],
  'client.created': (details) => ['Client added', mayBeGranted(details)],
  'client.changed': (details) => ['Client changed', `Changed: ${text(details.changed)}. ${heldWords(details)}`],
  'client.removed': (details) => ['Client removed', `${text(details.name)}. ${heldWords(details)}${because(details)}`],
  'client.secret_made': (details) => [
    'Client secret created',
    details.before_until ? `Those before it work until ${utcText(Date.parse(text(details.before_until)))}.` : '',
  ],
  'client.secret_ended': () => ['Client secret ended', 'It is refused from the next request on.'],
  'access.denied': (details) => [
    'Access refused',
    `${coded(details) || `The role ${roleOf(details)} does not allow it.`}${repeats(details)}`,
  ],
  'access.read': (details) => ['Read other people’s data', `As ${roleOf(details)}.${repeats(details)}`],
} satisfies { [Action in AuditAction]: (details: Partial<DetailsOf<Action>>) => [string, string?] }

/** An event in plain words. */
export function eventWords({ action, details }: Pick<AuditView, 'action' | 'details'>): { what: string; more: string } {
  // An event of a newer version keeps its own name.
  const say = acts[action] as ((details: never) => [string, string?]) | undefined
  const [what, more = ''] = say?.(details as never) ?? [action.replaceAll('.', ' ')]
  return { what, more: more.trim() }
}

/** The tone of an event on a timeline. What ended is neither good nor bad news. */
export function eventTone({ action, outcome, details }: Pick<AuditView, 'action' | 'outcome' | 'details'>): Tone {
  if (action === 'freeze.set' || action === 'connection.frozen') return 'frozen'
  if (
    details.status === 'needs_relink' ||
    details.flag ||
    action === 'connection.signed_out' ||
    action === 'connection.turned_away'
  )
    return 'broken'
  if (outcome !== 'ok') return outcome === 'failed' ? 'attention' : 'broken'
  return neutral.has(action) || action.endsWith('.revoked') ? 'revoked' : 'healthy'
}

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
  ]
  return `Revoked by an admin: ${parts.join(', ')} of yours`
}

/** What to do about it. */
function endedNext(ended: NotificationView['ended']): string {
  if (ended?.blocked) return 'An admin must reinstate you before you can link and issue again.'
  if (ended && ended.connections > 0) return 'Whatever used it stops working. Link again to go on.'
  if (ended && ended.grants > 0) return 'Whatever used it stops working. Sign in there again to go on.'
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
const neutral = new Set<AuditView['action']>([
  'link.asked',
  'link.declined',
  'link.started',
  'connection.changed',
  'revocation.finished',
  'access.read',
])
