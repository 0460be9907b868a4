import { X509Certificate } from 'node:crypto'
import { clockToleranceSeconds } from '../security/oauth.ts'
import { isOutboundError, type OutboundFetch } from '../security/outbound.ts'
import type { CheckLine, CheckState, ClientTrial, ProviderDeps } from './provider.ts'

/** What kinds say alike about an upstream: whether it is there, by which certificate, at which time, and knows our client. */
export const line = (
  id: string,
  title: string,
  state: CheckState,
  seen: string,
  next: string | null = null,
): CheckLine => ({ id, title, state, seen, next, commands: [] })

/** Somebody waits for a check, and a graceful stop for the daily one. */
const checkMs = 20_000
const repeatMs = 500

/** What was seen of a host: whether it answered, and how far its clock is ahead of ours. */
type Host = { answered: boolean; aheadSeconds?: number }
export type Watched = { deps: ProviderDeps; hosts: ReadonlyMap<string, Host> }

/** The way out, watched: which hosts answer, and their clocks. What brings no answer is sent once more, so it must do no harm. */
export function watched(given: ProviderDeps): Watched {
  const hosts = new Map<string, Host>()
  const end = AbortSignal.timeout(checkMs)
  const over =
    (fetch: OutboundFetch): OutboundFetch =>
    async (input, init) => {
      const { host } = new URL(input instanceof Request ? input.url : input)
      const known = hosts.get(host) ?? { answered: false }
      hosts.set(host, known)
      const signal = init?.signal ? AbortSignal.any([init.signal, end]) : end
      for (let isLast = false; ; isLast = true) {
        try {
          const response = await fetch(input, { ...init, signal })
          known.answered = true
          const date = Date.parse(response.headers.get('date') ?? '')
          if (!Number.isNaN(date)) known.aheadSeconds = Math.round((date - given.now().getTime()) / 1000)
          return response
        } catch (error) {
          if (isOutboundError(error) && error.status !== undefined) known.answered = true
          if (!isOutboundError(error) || error.status !== undefined || isLast || end.aborted) throw error
          await given.sleep(repeatMs)
        }
      }
    }
  const trusting: ProviderDeps['trusting'] = (certificates) => {
    const way = given.trusting(certificates)
    return { ...way, fetch: over(way.fetch) }
  }
  return { deps: { ...given, fetch: over(given.fetch), trusting }, hosts }
}

/** Names without the port that everybody expects. */
const named = (hosts: Iterable<string>) => [...hosts].join(', ')

/** Whatever kept an answer away reads the same: refused, filtered, silent, TLS (F-10). The log tells them apart. */
export function connectionLine(hosts: Watched['hosts']): CheckLine {
  const silent = [...hosts].filter(([, { answered }]) => !answered).map(([host]) => host)
  if (silent.length === 0) return line('connection', 'Name and connection', 'ok', `Answers: ${named(hosts.keys())}.`)
  return line(
    'connection',
    'Name and connection',
    'failed',
    `Not reached: ${named(silent)}.`,
    'Check that the name is in the DNS, that the server runs, that no firewall is between, and that a CA known here signed its certificate. A host inside your network must be in VALETKEY_INTERNAL_HOSTS. The operator finds the reason in the log.',
  )
}

const warnDays = 30
const dayMs = 24 * 3600 * 1000
const dateOf = (date: Date) => date.toISOString().slice(0, 10)

/** The certificates that vouch for a server, and when its own ends, as far as the way out has seen it. */
export function tlsLine(
  { now, certificateEnds }: Pick<ProviderDeps, 'now' | 'certificateEnds'>,
  { hosts, urls, certificates }: { hosts: Watched['hosts']; urls: string[]; certificates?: string | undefined },
): CheckLine {
  const say = (state: CheckState, seen: string, next: string | null = null) => line('tls', 'TLS', state, seen, next)
  const soon = new Date(now().getTime() + warnDays * dayMs)
  const bundle = (certificates?.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map(
    (text) => new Date(new X509Certificate(text).validTo),
  )
  const firstOfBundle = bundle.sort((a, b) => a.getTime() - b.getTime())[0]
  const about = firstOfBundle ? `A certificate of the CA bundle ends on ${dateOf(firstOfBundle)}.` : ''
  const renewBundle = 'Get the new certificates of your CA, and add the provider again with them.'
  if (firstOfBundle && firstOfBundle <= now()) return say('failed', about.replace('ends', 'ended'), renewBundle)
  if (urls.every((url) => url.startsWith('http:'))) return say('ok', 'Not used: the address is on this machine.')
  if ([...hosts.values()].some(({ answered }) => !answered))
    return say('unknown', `Not known, because not everything was reached. ${about}`.trim())
  const ends = [...hosts.keys()].flatMap((host) => {
    const end = certificateEnds.get(host)
    return end ? [{ host, end }] : []
  })
  const first = ends.sort((a, b) => a.end.getTime() - b.end.getTime())[0]
  const own = first
    ? `The certificate of ${first.host} ends on ${dateOf(first.end)}.`
    : 'The certificates are accepted.'
  const seen = `${own} ${about}`.trim()
  if (first && first.end <= soon)
    return say('attention', seen, 'Whoever runs the server must renew it before then, or everything stops.')
  if (firstOfBundle && firstOfBundle <= soon) return say('attention', seen, renewBundle)
  return say('ok', seen)
}

/** By the time that answers name, or else by the ID tokens that came before. */
export function clockLine(hosts: Watched['hosts'], clocks: ProviderDeps['issuerClocks']): CheckLine {
  const told = [...hosts].flatMap(([host, { aheadSeconds }]) => aheadSeconds ?? clocks.get(host) ?? [])
  const furthest = told.sort((a, b) => Math.abs(b) - Math.abs(a))[0]
  const say = (state: CheckState, seen: string, next: string | null = null) => line('clock', 'Clock', state, seen, next)
  if (furthest === undefined)
    return say('unknown', 'No answer names its time, and nobody has linked or renewed here lately.')
  const seconds = Math.abs(furthest)
  if (seconds <= clockToleranceSeconds) return say('ok', `Within ${clockToleranceSeconds} seconds of ours.`)
  const apart = seconds < 120 ? `${seconds} seconds` : `${Math.round(seconds / 60)} minutes`
  return say(
    'attention',
    `Its clock is ${apart} ${furthest > 0 ? 'ahead of' : 'behind'} ours.`,
    'Find out which one is wrong and synchronise it. Signatures and expiries are judged by these clocks.',
  )
}

type ClientWords = {
  current: ClientTrial
  /** Of the secret before, where there is one. */
  before?: ClientTrial | undefined
  /** What the client proves itself by. */
  by: 'secret' | 'key' | 'nothing'
  /** What it means where the upstream does not know it. */
  unknown: string
  next: string
}

/** How the upstream took the client: by its current secret, and by the one before. */
export function clientLines({ current, before, by, unknown, next }: ClientWords): CheckLine[] {
  const title = 'Client authentication'
  const what = by === 'nothing' ? 'client id' : `client id with its ${by}`
  const now = {
    known: line('client', title, 'ok', `The token endpoint knows the ${what}.`),
    unknown: line(
      'client',
      title,
      'failed',
      before === 'known' ? `${unknown} Renewals go on with the previous ${by}.` : unknown,
      next,
    ),
    untold: line(
      'client',
      title,
      'unknown',
      'The token endpoint was not reached, or its answer says nothing about the client.',
      'Run the check again later. If it stays so, link a project: that shows it.',
    ),
  }[current]
  if (!before) return [now]
  const former = by === 'key' ? 'Previous client key' : 'Previous client secret'
  return [
    now,
    {
      known: line(
        'client_before',
        former,
        'ok',
        `The upstream still accepts it, and Valetkey uses it where the current ${by} is refused.`,
        current === 'known' ? `Delete it at the upstream, then drop it here.` : null,
      ),
      unknown: line(
        'client_before',
        former,
        'attention',
        'The upstream no longer accepts it.',
        current === 'known' ? 'Drop it here.' : null,
      ),
      untold: line('client_before', former, 'unknown', 'The answer says nothing about it.'),
    }[before],
  ]
}
