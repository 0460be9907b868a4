'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useState } from 'react'
import {
  type Outcome,
  type Preview,
  previewAll,
  type RevocableFilter,
  revoke,
  revokeAll,
} from '@/app/_features/revoke.ts'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { type Column, DataTable, type Row } from '@/app/_ui/data-table.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Outcomes } from './outcomes.tsx'

type Fact = { id: string; name: string; owner: string }
type Kind = 'tokens' | 'connections' | 'grants'

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
  empty: ReactNode
}

const nouns = { tokens: 'token', connections: 'connection', grants: 'device or app' } as const
const verbs = { tokens: 'Revoke', connections: 'Disconnect', grants: 'Revoke' } as const
const means = {
  tokens:
    'Valetkey rejects them at once, and revokes those that work directly at their upstream there too, if it can. Anything that uses them stops working.',
  connections:
    'All live tokens issued from them are revoked too, here and where they work upstream, and the stored tokens are destroyed. The owners must link again.',
  grants:
    'They are signed out at once. All live tokens that they issued are revoked too, here and where they work upstream. Their owners must let them in again.',
} as const
const labels = { tokens: 'Tokens', connections: 'Connections', grants: 'Devices and apps' } as const
/** From more than this on, the tenant's name has to be typed and a reason given. */
const many = 20

/** What is about to be revoked: rows that were ticked, or everything that the filter matches. */
type Asking = { done: () => void } & ({ ids: string[] } | { preview: Preview })

/** A list that can be revoked from: tick, confirm in proportion, see what came of it. */
export function RevocationTable({ kind, tenant, columns, rows, facts, match, mayRevoke, ...rest }: Props) {
  const router = useRouter()
  const [asking, setAsking] = useState<Asking | null>(null)
  const [outcome, setOutcome] = useState<Outcome[] | null>(null)
  const { busy, problem, start } = useAction(ask)
  const names = Object.fromEntries(facts.map(({ id, name }) => [id, name]))

  /** Asks what all that match are. */
  async function ask(done: () => void) {
    if (!match) throw new Error('nothing is matched')
    const sent = await previewAll(tenant, match.filter)
    if (sent.ok) setAsking({ preview: sent.data, done })
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
    else await ask(asking.done)
    return sent
  }
  return (
    <>
      {outcome && <Outcomes items={outcome} names={names} onClose={() => setOutcome(null)} />}
      <ProblemNotice problem={problem} />
      {rows.length > 0 ? (
        <DataTable
          caption={rest.caption}
          columns={columns}
          rows={rows}
          selection={
            mayRevoke
              ? {
                  matchCount: match?.total ?? 0,
                  isCapped: match?.totalIsCapped ?? false,
                  actions: (selection, clear) => (
                    <Button
                      size="sm"
                      variant="danger"
                      busy={busy}
                      onClick={() =>
                        selection.kind === 'rows' ? setAsking({ ids: selection.ids, done: clear }) : void start(clear)
                      }
                    >
                      {verbs[kind]}…
                    </Button>
                  ),
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
          onConfirm={confirm}
        />
      )}
    </>
  )
}

/** What the question says of what is chosen. `only`: the name of the one thing. */
type Reach = { count: number; only?: string; counts: { label: string; value: string }[] }

function reachOf(chosen: Fact[]): Reach {
  const owners = [...new Set(chosen.map(({ owner }) => owner))]
  const [only] = chosen.length === 1 ? chosen : []
  return { count: chosen.length, ...(only && { only: only.name }), counts: [ownersInShort(owners, owners.length)] }
}

const reachOfAll = (kind: Kind, { count, tokens, used_lately, owners, owner_count }: Preview) => ({
  count,
  counts: [
    ...(kind !== 'tokens' ? [{ label: 'Live tokens', value: tokens.toLocaleString('en') }] : []),
    {
      label: 'Used within a day',
      value:
        kind === 'grants' ? used_lately.toLocaleString('en') : `${used_lately.toLocaleString('en')} that are reported`,
    },
    ownersInShort(
      owners.map(({ name }) => name ?? 'former member'),
      owner_count,
    ),
  ],
})

type QuestionProps = {
  kind: Kind
  tenant: string
  reach: Reach
  onClose: () => void
  onConfirm: Parameters<typeof ConfirmDialog>[0]['onConfirm']
}

function Question({ kind, tenant, reach: { count, only, counts }, onClose, onConfirm }: QuestionProps) {
  const verb = verbs[kind]
  const what = plural(count, nouns[kind])
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={`${verb} ${only ?? what}`}
      lead={means[kind]}
      counts={[...(only ? [] : [{ label: labels[kind], value: count.toLocaleString('en') }]), ...counts]}
      phrase={count > many ? tenant : undefined}
      reason={count > many ? 'required' : count > 1 ? 'optional' : undefined}
      confirmLabel={only ? `${verb} ${nouns[kind]}` : `${verb} ${what}`}
      onConfirm={onConfirm}
    />
  )
}

/** `owners`: some of them, if not all. */
const ownersInShort = (owners: string[], count: number) => ({
  label: count === 1 ? 'Owner' : 'Owners',
  value: count > 3 ? `${count}: ${owners.slice(0, 3).join(', ')} and others` : owners.join(', '),
})
