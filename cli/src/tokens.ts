import type { Cli } from './cli.ts'
import { exitCodes } from './exit-codes.ts'
import { Failure } from './failure.ts'
import type { Style } from './output.ts'
import { projectOf } from './projects.ts'
import { openSession, type Session } from './session.ts'

type State = 'live' | 'ended' | 'revoked' | 'failed'

const pageOf = async ({ client, ask, tenant }: Session, query: { state?: State; project?: string; before?: string }) =>
  ask(client.GET('/api/v1/tenants/{tenant}/tokens', { params: { path: { tenant }, query } }))
type Token = Awaited<ReturnType<typeof pageOf>>['items'][number]

const projectId = async (session: Session, project: string | undefined) =>
  project === undefined ? {} : { project: (await projectOf(session, project)).id }

/** All that live, however many pages they are. */
async function liveTokens(session: Session, of: { project?: string } = {}): Promise<Token[]> {
  const found: Token[] = []
  for (let before: string | undefined; ; ) {
    const page = await pageOf(session, { state: 'live', ...of, ...(before !== undefined && { before }) })
    found.push(...page.items)
    if (page.next === null) return found
    before = page.next
  }
}

const styles: Record<string, Style> = { live: 'green', revoked: 'dim', ended: 'dim', failed: 'red' }

export async function showTokens(
  cli: Cli,
  asked: { state: string | undefined; project: string | undefined; before: string | undefined },
): Promise<void> {
  const { state = 'live', project, before } = asked
  const session = await openSession(cli)
  const page = await pageOf(session, {
    ...(state !== 'all' && { state: state as State }),
    ...(await projectId(session, project)),
    ...(before !== undefined && { before }),
  })
  const tokens = page.items.map((one) => ({
    id: one.id,
    fingerprint: one.fingerprint,
    project: one.project.alias,
    purpose: one.purpose,
    strategy: one.strategy,
    state: one.state,
    rights: (one.rights.granted ?? one.rights.asked).map(({ text }) => text),
    created_at: one.created_at,
    expires_at: one.expires_at,
    revoke_at: one.revoke_at,
    last_used_at: one.last_used_at,
  }))
  const { total, total_is_capped, next } = page
  cli.out.answer({ tokens, total, total_is_capped, next }, () => {
    if (tokens.length === 0) return void cli.out.line(state === 'live' ? 'No token of yours lives.' : 'There is none.')
    const now = cli.now()
    cli.out.table(
      ['fingerprint', 'project', 'purpose', 'state', 'ends', 'may'],
      tokens.map(({ fingerprint, id, project, purpose, state, revoke_at, expires_at, rights }) => [
        fingerprint ?? id,
        project,
        purpose,
        { text: state, style: styles[state] ?? 'dim' },
        whenWords(new Date(revoke_at ?? expires_at), now),
        rights.join(', '),
      ]),
    )
    if (next !== null) cli.out.note(`There are more: valetkey tokens --before ${next}`)
  })
}

/** "in 14 min", "2 h ago": nobody reads seconds of an hour away. */
export function whenWords(at: Date, now: Date): string {
  const seconds = Math.round((at.getTime() - now.getTime()) / 1000)
  const [size, unit] = (
    [
      [86_400, 'd'],
      [3600, 'h'],
      [60, 'min'],
    ] as const
  ).find(([each]) => Math.abs(seconds) >= 2 * each) ?? [1, 's']
  const amount = `${Math.floor(Math.abs(seconds) / size)} ${unit}`
  return seconds >= 0 ? `in ${amount}` : `${amount} ago`
}

/** Ends tokens by their ids; answers what that came to. */
export const endTokens = async (
  { client, ask, tenant }: Session,
  tokens: string[],
  reason?: string,
  signal?: AbortSignal,
) =>
  (
    await ask(
      client.POST('/api/v1/tenants/{tenant}/revocations', {
        params: { path: { tenant } },
        body: { tokens, ...(reason !== undefined && { reason }) },
        ...(signal && { signal }),
      }),
    )
  ).items
type Ended = Awaited<ReturnType<typeof endTokens>>[number]

/** As many as one request takes. */
const most = 500

export async function revokeTokens(
  cli: Cli,
  asked: { named: string[]; all: boolean; project: string | undefined; reason: string | undefined },
): Promise<number> {
  const { named, all, project, reason } = asked
  if (all === named.length > 0 || (project !== undefined && !all))
    throw new Failure('usage', all ? 'Name tokens, or --all, not both.' : 'Which tokens?', {
      next: 'valetkey revoke FINGERPRINT, or valetkey revoke --all; valetkey tokens shows them',
    })
  const session = await openSession(cli)
  const chosen = all
    ? new Map((await liveTokens(session, await projectId(session, project))).map((token) => [token.id, token]))
    : await tokensNamed(session, named)
  const wanted = [...chosen.keys()]
  const ended: Ended[] = []
  for (let at = 0; at < wanted.length; at += most) {
    cli.out.progress(`Revoking ${wanted.length} …`)
    ended.push(...(await endTokens(session, wanted.slice(at, at + most), reason)))
  }
  const revoked = ended.map(({ id, already, over, upstream, last_error, latest_moment }) => ({
    id,
    already,
    over,
    blocked_here: true,
    upstream,
    last_error,
    latest_moment,
  }))
  const now = cli.now()
  cli.out.answer({ revoked }, () => {
    if (revoked.length === 0) cli.out.line('No token of yours lives: nothing was left to revoke.')
    for (const [at, one] of ended.entries()) {
      if (at > 0) cli.out.line()
      showTruths(cli, one, chosen.get(one.id), now)
    }
  })
  // An end that has passed by itself is over as well.
  const lives = ended.some(({ latest_moment: at }) => at !== null && (at === 'unknown' || new Date(at) > now))
  return lives ? exitCodes.unconfirmed.code : 0
}

type Living = Awaited<ReturnType<typeof liveTokens>>[number]

/** By their ids: as they were named, or by fingerprints of those that live. @throws Failure not_found, usage */
async function tokensNamed(session: Session, named: string[]): Promise<Map<string, Living | undefined>> {
  if (named.every((name) => name.startsWith('tok_'))) return new Map(named.map((id) => [id, undefined]))
  const live = await liveTokens(session)
  const found = named.map((name): [string, Living | undefined] => {
    if (name.startsWith('tok_')) return [name, live.find(({ id }) => id === name)]
    const [found, ...others] = live.filter(({ fingerprint }) => fingerprint === name)
    if (!found)
      throw new Failure('not_found', `No living token of yours has the fingerprint ${name}.`, {
        next: 'See: valetkey tokens',
      })
    if (others.length > 0)
      throw new Failure('usage', `Several tokens have the fingerprint ${name}.`, {
        next: 'Name it by its id: valetkey tokens --json',
      })
    return [found.id, found]
  })
  return new Map(found)
}

const upstreamWords: Record<NonNullable<Ended['upstream']>, string> = {
  pending: 'not yet: Valetkey tries again until it answers',
  done: 'its revocation was accepted',
  confirmed: 'seen to refuse it',
  failed: 'it did not revoke it',
  impossible: 'it cannot be revoked there',
  none: 'nothing to revoke: it worked through Valetkey alone',
}

/** The three truths of a revocation, never blurred into one. */
function showTruths(
  { out }: Cli,
  { id, already, over, upstream, last_error, latest_moment }: Ended,
  token: Living | undefined,
  now: Date,
): void {
  const what = token ? `  ${token.purpose}, ${token.project.name}` : ''
  out.line({ text: id, style: 'bold' }, what, over ? '  had ended already' : already ? '  was revoked before' : '')
  const latest =
    latest_moment === null
      ? 'over'
      : latest_moment === 'unknown'
        ? 'unknown: its upstream set no end'
        : new Date(latest_moment) <= now
          ? 'over: it expired'
          : `${latest_moment}, ${whenWords(new Date(latest_moment), now)}`
  out.line('  blocked here           yes')
  out.line(
    '  upstream               ',
    upstream === null ? 'nothing left to do' : upstreamWords[upstream],
    last_error === null ? '' : ` (${last_error.replaceAll('_', ' ')})`,
  )
  out.line('  could still work until ', latest)
}
