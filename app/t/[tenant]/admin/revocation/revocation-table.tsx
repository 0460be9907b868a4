'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useState } from 'react'
import { freezeEnds } from '@/app/_features/freeze.tsx'
import {
  freezeAll,
  type Outcome,
  type Preview,
  previewAll,
  type RevocableFilter,
  revoke,
  revokeAll,
} from '@/app/_features/revoke.ts'
import { freezeMeans, plural, programFreezeMeans } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { type Column, DataTable, type Row } from '@/app/_ui/data-table.tsx'
import { Select } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import { Outcomes } from './outcomes.tsx'

type Fact = { id: string; name: string; owner: string }
type Kind = RevocableFilter['kind']

type Props = {
  kind: Kind
  tenant: string
  caption: string
  columns: Column[]
  rows: Row[]
  /** What the question and the outcome call each row. */
  facts: Fact[]
  /** What all pages together show, where all of that can be revoked. */
  match?: { filter: RevocableFilter; total: number; totalIsCapped: boolean } | undefined
  mayRevoke: boolean
  /** When the rows were read. */
  now: string
  empty: ReactNode
}

const nouns = {
  tokens: 'token',
  connections: 'connection',
  grants: 'device or app',
  sessions: 'session',
  requests: 'request',
} as const satisfies Record<Kind, string>
const verbs = {
  tokens: 'Revoke',
  connections: 'Disconnect',
  grants: 'Revoke',
  sessions: 'End',
  requests: 'Withdraw',
} as const satisfies Record<Kind, string>
const means = {
  tokens:
    'Valetkey rejects them at once, and revokes those that work directly at their upstream there too, if it can. Anything that uses them stops working.',
  connections:
    'All live tokens issued from them are revoked too, here and where they work upstream, and the stored tokens are destroyed. The owners must link again.',
  grants:
    'They are signed out at once. All live tokens that they issued are revoked too, here and where they work upstream. Their owners must let them in again.',
  sessions:
    'This tenant refuses them at once, and what was begun in them comes to nothing. Other tenants still accept them. Tokens, connections and devices live on; a new sign-in is a new session.',
  requests:
    'Whoever answers one, comes back with one or fetches what it brought is refused at once. Each can be begun again.',
} as const satisfies Record<Kind, string>
const labels = {
  tokens: 'Tokens',
  connections: 'Connections',
  grants: 'Devices and apps',
  sessions: 'Sessions',
  requests: 'Requests',
} as const satisfies Record<Kind, string>
/** What a freeze of its own is for. */
const isFreezable = (kind: Kind): kind is 'connections' | 'grants' => kind === 'connections' || kind === 'grants'
const hasTokens = (kind: Kind) => kind === 'connections' || kind === 'grants'
/** From more than this on, the tenant's name has to be typed and a reason given. */
const many = 20
/** As the API has it (lib/broker/freeze-selection.ts). */
const freezeMost = 1_000

/** What is about to be revoked: rows that were ticked, or everything that the filter matches. */
type Act = 'revoke' | 'freeze'
type Asking = { act: Act; done: () => void } & ({ ids: string[] } | { preview: Preview })

/** A list that can be revoked from: tick, confirm in proportion, see what came of it. */
export function RevocationTable({ kind, tenant, columns, rows, facts, match, mayRevoke, now, ...rest }: Props) {
  const router = useRouter()
  const [asking, setAsking] = useState<Asking | null>(null)
  const [outcome, setOutcome] = useState<Outcome[] | null>(null)
  const { busy, problem, start } = useAction(ask)
  const names = Object.fromEntries(facts.map(({ id, name }) => [id, name]))

  /** Asks what all that match are. */
  async function ask(act: Act, done: () => void) {
    if (!match) throw new Error('nothing is matched')
    const sent = await previewAll(tenant, match.filter)
    if (sent.ok) setAsking({ act, preview: sent.data, done })
    return sent
  }
  async function confirm({ reason }: { reason: string }) {
    if (!asking) throw new Error('nothing was asked')
    const sent = 'ids' in asking ? await confirmIds(asking.ids, reason) : await confirmAll(asking.preview, reason)
    if (sent.ok) asking.done()
    return sent
  }
  async function confirmIds(ids: string[], reason: string) {
    const sent = await revoke(tenant, { [kind]: ids, ...(reason && { reason }) })
    if (sent.ok) setOutcome(sent.data)
    router.refresh()
    return sent
  }
  async function confirmAll(preview: Preview, reason: string) {
    if (!match || !asking) throw new Error('nothing is matched')
    const sent = await revokeAll(tenant, match.filter, preview, reason)
    if (sent.ok) router.push(`/t/${tenant}/admin/revocation/${sent.data.act}`)
    // The question stays, and asks about what there is now.
    else await ask('revoke', asking.done)
    return sent
  }
  async function freeze({ reason, until }: { reason: string; until: string | undefined }) {
    if (!asking || !isFreezable(kind)) throw new Error('nothing was asked')
    const rows = 'ids' in asking
    const filter = rows ? { kind, ids: asking.ids } : { ...match?.filter, kind }
    const seen = rows ? { as_of: now, count: asking.ids.length } : asking.preview
    const sent = await freezeAll(tenant, filter, seen, { reason, until })
    if (sent.ok) {
      const { frozen, already } = sent.data
      say(`${plural(frozen, nouns[kind])} frozen${already > 0 ? `, ${already} had been frozen before` : ''}`)
      asking.done()
      router.refresh()
    } else if (!rows) await ask('freeze', asking.done)
    return sent
  }
  return (
    <>
      {outcome && <Outcomes items={outcome} names={names} onClose={() => setOutcome(null)} />}
      <ProblemNotice problem={problem} />
      {rows.length > 0 ? (
        <DataTable
          caption={rest.caption}
          now={now}
          columns={columns}
          rows={rows}
          selection={
            mayRevoke
              ? {
                  matchCount: match?.total ?? 0,
                  isCapped: match?.totalIsCapped ?? false,
                  actions: (selection, clear) => {
                    const choose = (act: Act) =>
                      selection.kind === 'rows'
                        ? setAsking({ act, ids: selection.ids, done: clear })
                        : void start(act, clear)
                    return (
                      <>
                        {isFreezable(kind) && (
                          <Button size="sm" busy={busy} onClick={() => choose('freeze')}>
                            Freeze…
                          </Button>
                        )}
                        <Button size="sm" variant="danger" busy={busy} onClick={() => choose('revoke')}>
                          {verbs[kind]}…
                        </Button>
                      </>
                    )
                  },
                }
              : undefined
          }
        />
      ) : (
        rest.empty
      )}
      {asking && (
        <Question
          kind={kind}
          tenant={tenant}
          reach={
            'ids' in asking
              ? reachOf(facts.filter(({ id }) => asking.ids.includes(id)))
              : reachOfAll(kind, asking.preview)
          }
          onClose={() => setAsking(null)}
          {...(asking.act === 'freeze' ? { onFreeze: freeze } : { onConfirm: confirm })}
        />
      )}
    </>
  )
}

/** What the question says of what is chosen. `only`: the name of the one thing. */
type Reach = { count: number; only?: string; counts: { label: string; value: string }[]; effects?: ReactNode }

function reachOf(chosen: Fact[]): Reach {
  const owners = [...new Set(chosen.map(({ owner }) => owner))]
  const [only] = chosen.length === 1 ? chosen : []
  return { count: chosen.length, ...(only && { only: only.name }), counts: [ownersInShort(owners, owners.length)] }
}

const reachOfAll = (kind: Kind, preview: Preview): Reach => ({
  count: preview.count,
  counts: [
    ...(hasTokens(kind) ? [{ label: 'Live tokens', value: number(preview.tokens) }] : []),
    ...(preview.used_in_hour === null || preview.used_lately === null
      ? []
      : [
          {
            label: 'Used lately',
            value: `${number(preview.used_in_hour)} within the hour, ${number(preview.used_lately)} within a day${kind === 'grants' ? '' : ', as far as reported'}`,
          },
        ]),
    ...(preview.keeps_session ? [{ label: 'Your session', value: 'Is not among them: it stays' }] : []),
    ownersInShort(
      preview.owners.map(({ name }) => name ?? 'former member'),
      preview.owner_count,
    ),
    ...(preview.project_count > 0 ? [inShort('Project', preview.projects, preview.project_count)] : []),
  ],
  effects: (
    <>
      <Effects preview={preview} />
      <GoesOn preview={preview} />
    </>
  ),
})

const number = (count: number) => count.toLocaleString('en')

const inShort = (label: string, named: { name: string; count: number }[], total: number) => ({
  label: total === 1 ? label : `${label}s`,
  value:
    total === 1
      ? (named[0]?.name ?? '')
      : `${number(total)}: ${named
          .slice(0, 3)
          .map(({ name, count }) => `${name} (${number(count)})`)
          .join(', ')}${total > 3 ? ' and others' : ''}`,
})

/** What each upstream can do about it, and what stops working. */
function Effects({ preview: { as_of, upstreams, breaks } }: { preview: Preview }) {
  if (upstreams.length === 0) return null
  const shown = upstreams.slice(0, 5)
  return (
    <div className="flex flex-col gap-1">
      <h3 className="font-semibold">What will end, and when</h3>
      <ul className="flex list-disc flex-col gap-1 pl-5">
        {shown.map((one) => (
          <li key={`${one.what} ${one.provider_id} ${one.effect}`}>
            {plural(one.count, one.what === 'tokens' ? 'token' : 'connection')} of <bdi>{one.name}</bdi>:{' '}
            {effectWords[one.what][one.effect]}
            {one.effect === 'at_end' && one.latest && (
              <>
                {', the last one '}
                <Time at={one.latest} now={as_of} />
              </>
            )}
          </li>
        ))}
        {upstreams.length > shown.length && (
          <li>{plural(upstreams.length - shown.length, 'more line')} of this kind</li>
        )}
        {breaks.connections > 0 && <li>{plural(breaks.connections, 'connection')}: renewed no more</li>}
        {breaks.audiences.length > 0 && (
          <li>
            Callers are refused by <bdi>{breaks.audiences.slice(0, 3).join(', ')}</bdi>
            {breaks.audiences.length > 3 && ' and others'}
          </li>
        )}
      </ul>
    </div>
  )
}

/** What outlives the act: whoever made it may have been somebody else in their name. */
function GoesOn({ preview: { webhooks, owners } }: { preview: Preview }) {
  if (webhooks.length === 0) return null
  const nameOf = (id: string) => owners.find(({ owner_id }) => owner_id === id)?.name ?? 'one of the owners'
  return (
    <div className="flex flex-col gap-1">
      <h3 className="font-semibold">What goes on</h3>
      <ul className="flex list-disc flex-col gap-1 pl-5">
        {webhooks.map(({ webhook_id, host, owner_id }) => (
          <li key={webhook_id}>
            The webhook at <bdi className="wrap-anywhere">{host}</bdi>, made by <bdi>{nameOf(owner_id)}</bdi>, tells of
            this tenant as before
          </li>
        ))}
      </ul>
    </div>
  )
}

const effectWords = {
  tokens: {
    here: 'refused by Valetkey at once',
    upstream: 'revoked there at once, if it answers',
    at_end: 'work on until they expire',
    copy: 'only our copy is destroyed',
  },
  connections: {
    here: 'ended at once',
    upstream: 'revoked there at once, if it answers',
    at_end: 'work on until they expire',
    copy: 'it cannot end them; the stored token is destroyed here',
  },
} as const

type QuestionProps = {
  kind: Kind
  tenant: string
  reach: Reach
  onClose: () => void
} & (
  | { onConfirm: Confirm }
  | { onFreeze: (input: { reason: string; until: string | undefined }) => ReturnType<Confirm> }
)
type Confirm = Parameters<typeof ConfirmDialog>[0]['onConfirm']

function Question({ kind, tenant, reach, onClose, ...acts }: QuestionProps) {
  const { count, only, counts, effects } = reach
  const [end, setEnd] = useState('')
  const what = plural(count, nouns[kind])
  const shown = [...(only ? [] : [{ label: labels[kind], value: number(count) }]), ...counts]
  const reason = count > many ? 'required' : count > 1 ? 'optional' : undefined
  if ('onFreeze' in acts) {
    const isTooMany = count > freezeMost
    return (
      <ConfirmDialog
        open
        onOpenChange={onClose}
        title={`Freeze ${only ?? what}`}
        lead={
          isTooMany
            ? `At most ${number(freezeMost)} are frozen in one act. Freeze the person, project, provider or app that they are of, or narrow the filters.`
            : `${kind === 'grants' ? programFreezeMeans : freezeMeans} Their owners see the reason and the end date.`
        }
        counts={shown}
        tone="primary"
        reason={reason ?? 'optional'}
        confirmLabel={only ? `Freeze ${nouns[kind]}` : `Freeze ${what}`}
        onConfirm={({ reason }) =>
          acts.onFreeze({ reason, until: end ? new Date(Date.now() + Number(end)).toISOString() : undefined })
        }
      >
        <Select label="Freeze ends" options={freezeEnds} value={end} onChange={(event) => setEnd(event.target.value)} />
      </ConfirmDialog>
    )
  }
  const verb = verbs[kind]
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={`${verb} ${only ?? what}`}
      lead={means[kind]}
      counts={shown}
      phrase={count > many ? tenant : undefined}
      reason={reason}
      confirmLabel={only ? `${verb} ${nouns[kind]}` : `${verb} ${what}`}
      onConfirm={acts.onConfirm}
    >
      {effects}
    </ConfirmDialog>
  )
}

/** `owners`: some of them, if not all. */
const ownersInShort = (owners: string[], count: number) => ({
  label: count === 1 ? 'Owner' : 'Owners',
  value:
    count === 0
      ? 'nobody yet'
      : count > 3
        ? `${count}: ${owners.slice(0, 3).join(', ')} and others`
        : owners.join(', '),
})
