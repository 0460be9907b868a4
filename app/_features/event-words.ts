import type { Tone } from '@/app/_ui/state-badge.tsx'
import { durationText, utcText } from '@/app/_ui/time-text.ts'
import type { AuditAction, DetailsOf } from '@/lib/audit/catalogue.ts'
import type { AuditView } from '@/lib/audit/list.ts'
import type { RevocationView } from '@/lib/broker/read/token.ts'
import { causes, count, deliveryWords, plural, titleOf, upstreamTruth } from './words.ts'

/** Of an event of any version: what the catalogue knows of may be missing. */
type Details<Fact extends string> = { [Name in Fact]?: unknown }
const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value))
export const because = (details: Details<'reason'>) => (details.reason ? ` Reason: ${text(details.reason)}` : '')
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
/** What was open, as the list of requests calls it. */
export const requestWords: Record<string, string> = {
  link: 'A link that a person had begun.',
  ask: 'A program had asked a person to link.',
  device: 'A device waited to be let in.',
  app: 'An app waited to be let in.',
}
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

const sessionEnds: Record<string, string> = {
  asked: 'A session at the upstream is to end',
  failed: 'A session at the upstream was not ended',
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
  'selection.frozen': (details) => [
    'Selection frozen',
    `${Number(details.count ?? 0).toLocaleString('en')} ${text(details.kind)}.${because(details)}`,
  ],
  'revocation.recorded': (details) => ['Recorded as ended upstream', because(details)],
  'revocations.retried': (details) => [
    'Unconfirmed revocations retried',
    plural(Number(details.count ?? 0), 'revocation'),
  ],
  'member.session_ended': (details) => ['Session ended', `By this tenant.${because(details)}`],
  'request.withdrawn': (details) => [
    'Request withdrawn',
    `${requestWords[text(details.kind)] ?? ''}${because(details)}`,
  ],
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
  'link.completed': (details) => [
    details.before === 'pasted'
      ? 'Pasted token replaced with an account'
      : details.by === 'pasted'
        ? details.relinked
          ? 'Another token pasted'
          : 'Token pasted'
        : details.relinked
          ? 'Linked again'
          : 'Linked',
  ],
  'link.failed': (details) => [
    details.code === 'cancelled' ? 'Linking cancelled' : 'Linking failed',
    details.code === 'cancelled' ? '' : coded(details),
  ],
  'connection.worked_again': () => ['Reconnected silently', 'The stored grant still works, so nobody was asked again.'],
  'connection.changed': () => ['Connection changed'],
  'connection.rotation_asked': () => ['Rotation of the pasted token asked for'],
  'connection.rotated': (details) => [
    details.replaced === false ? 'The upstream did not rotate the pasted token' : 'Pasted token rotated',
    details.scheduled ? 'In the background.' : '',
  ],
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
  'token.requested': (details) => [
    'Token requested',
    `${details.authorizes ? `To authorize ${text(details.authorizes)}. ` : ''}For ${durationText(Number(details.seconds))}.`,
  ],
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
  'connection.project_left': (details) => [
    'Project taken off',
    `${plural(Number(details.tokens ?? 0), 'token')} revoked with it. The connection stays for its other projects.`,
  ],
  'connection.session_ended': (details) => [
    sessionEnds[text(details.state)] ?? 'A session at the upstream ended',
    'Another one of the same person; no connection here stood on it.',
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
  'receipt.signed': () => ['Receipt of a revocation signed'],
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

const neutral = new Set<AuditView['action']>([
  'link.asked',
  'link.declined',
  'link.started',
  'connection.changed',
  'connection.rotation_asked',
  'revocation.finished',
  'access.read',
])
