import type { FrozenView } from '@/lib/broker/freezes.ts'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'
import type { GrantView } from '@/lib/broker/read/grants.ts'
import type { Total } from '@/lib/broker/read/page.ts'
import type { ProjectCard } from '@/lib/broker/read/project.ts'
import type { RevocationView, TokenView } from '@/lib/broker/read/token.ts'
import { type ErrorCode, errorCodes } from '@/lib/errors.ts'
import type { ReadingFailure } from '@/lib/store/mcp.ts'

export const count = new Intl.NumberFormat('en')
const irregular: Record<string, string> = {
  process: 'processes',
  person: 'people',
  try: 'tries',
  'device or app': 'devices and apps',
}

/** "1 token", "12 tokens". */
export const plural = (number: number, noun: string): string =>
  `${count.format(number)} ${number === 1 ? noun : (irregular[noun] ?? `${noun}s`)}`

/** What a connection reaches, in a few words: "Items and 2 more". */
export const projectsName = ({ projects: [first, ...others] }: { projects: { name: string }[] }): string =>
  first ? `${first.name}${others.length > 0 ? ` and ${others.length} more` : ''}` : 'no project'

/** The same for what is counted up to a bound only: "more than 1,000 tokens". */
export const pluralUpTo = ({ total, totalIsCapped }: Total, noun: string): string =>
  `${totalIsCapped ? 'more than ' : ''}${plural(total, noun)}`
export const countUpTo = ({ total, totalIsCapped }: Total): string =>
  `${totalIsCapped ? 'more than ' : ''}${count.format(total)}`

/** A project as its upstream calls it: a number of its own, or where its API is; an audience as it is. */
export const externalName = (externalId: string): string =>
  /^[a-z]+:/.test(externalId) ? externalId : `#${externalId}`

/** Rights in a row of a table: "read 3 · write 1". Lines break after a dot alone. */
export const rightsInShort = ({ summary }: TokenView['rights']): string =>
  summary.map((part) => part.replaceAll(' ', '\u00a0')).join('\u00a0· ') || 'none'

/** How a token was made, after what came back. */
export const strategyWords: Record<TokenView['strategy'], string> = {
  mint: 'mint: a token that the upstream creates',
  exchange: 'exchange: the upstream swapped a token for a narrower one',
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

type Worded = {
  strategy: TokenView['strategy']
  asks: 'rights' | 'rules'
  endsTokens?: boolean
  endsWithGrant?: boolean
}

/** The words of a way; the gateway for MCP servers has its own, and what cannot be ended alone is said before it is made. */
export function wayText({ strategy, asks, endsTokens, endsWithGrant }: Worded): (typeof wayWords)['proxy'] {
  if (asks === 'rules' || strategy === 'sign') return wayWords[strategy]
  if (strategy === 'proxy') return gatewayWords
  if (endsTokens !== false) return wayWords[strategy]
  const end = endsWithGrant ? 'it ends by itself, or when you disconnect' : 'it ends by itself'
  return {
    ...wayWords[strategy],
    hint: (host) => `It works directly at ${host}. It cannot be revoked alone: ${end}.`,
  }
}

const gatewayWords: (typeof wayWords)['proxy'] = {
  label: 'Through the gateway',
  hint: (host) =>
    `It works only at the gateway’s own address, which passes on to ${host} what the token allows, and nothing else. Revoked, it is dead at once, and every call is counted.`,
}

/** In place of a last use. What passes through us is known. */
export const lastUseWords = ({ strategy }: Pick<TokenView, 'strategy'>): string =>
  strategy === 'proxy' ? 'never' : 'not reported'

export const causes: Record<string, string> = {
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
  flow_not_offered:
    'The stack does not offer this sign-in, or no longer. The connection is kept; link the ordinary way if it does not come back.',
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
  its_connection: 'It cannot be ended alone. We look whether it is dead once its connection is ended there.',
  alive: 'The upstream accepted the revocation, and it still works there. We revoke it again.',
  cut_off: 'Issuing was interrupted. Anything the upstream had created was deleted there.',
  ended_by_itself:
    'Issuing was interrupted, and the upstream could not be asked. Anything it created has expired by now.',
  unseen:
    'Issuing was interrupted, and this upstream cannot be asked what it created. Nobody received the value; it may work until it expires there.',
}

export const titleOf = (code: string): string =>
  code in errorCodes ? errorCodes[code as ErrorCode].title : code.replaceAll('_', ' ')

/** Why a token does not exist. */
export const failureWords = (failure: string): string => failures[failure] ?? `${titleOf(failure)}.`
