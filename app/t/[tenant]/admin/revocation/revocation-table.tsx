'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useState } from 'react'
import { type Outcome, revoke } from '@/app/_features/revoke.ts'
import { plural } from '@/app/_features/words.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { type Column, DataTable, type Row } from '@/app/_ui/data-table.tsx'
import { Outcomes } from './outcomes.tsx'

type Fact = { id: string; name: string; owner: string }
type Kind = 'tokens' | 'connections'

type Props = {
  kind: Kind
  tenant: string
  caption: string
  columns: Column[]
  rows: Row[]
  /** What the question and the outcome call each row. */
  facts: Fact[]
  mayRevoke: boolean
  empty: ReactNode
}

const nouns = { tokens: 'token', connections: 'connection' } as const
/** From more than this on, the tenant's name has to be typed and a reason given. */
const many = 20

/** A list that can be revoked from: tick, confirm in proportion, see what came of it. */
export function RevocationTable({ kind, tenant, caption, columns, rows, facts, mayRevoke, empty }: Props) {
  const router = useRouter()
  const [asking, setAsking] = useState<{ ids: string[]; done: () => void } | null>(null)
  const [outcome, setOutcome] = useState<{ items: Outcome[]; names: Record<string, string> } | null>(null)
  const free = rows.filter((row) => !row.fixed).length

  async function confirm({ reason }: { reason: string }) {
    const ids = asking?.ids ?? []
    const sent = await revoke(tenant, { [kind]: ids, ...(reason && { reason }) })
    if (!sent.ok) return sent
    setOutcome({ items: sent.data, names: Object.fromEntries(facts.map(({ id, name }) => [id, name])) })
    asking?.done()
    router.refresh()
    return sent
  }
  return (
    <>
      {outcome && <Outcomes {...outcome} onClose={() => setOutcome(null)} />}
      {rows.length > 0 ? (
        <DataTable
          caption={caption}
          columns={columns}
          rows={rows}
          selection={
            mayRevoke
              ? {
                  matchCount: free,
                  actions: (selection, clear) => (
                    <Button
                      size="sm"
                      variant="danger"
                      onClick={() => setAsking({ ids: selection.kind === 'rows' ? selection.ids : [], done: clear })}
                    >
                      {kind === 'tokens' ? 'Revoke…' : 'Disconnect…'}
                    </Button>
                  ),
                }
              : undefined
          }
        />
      ) : (
        empty
      )}
      {asking && (
        <Question
          kind={kind}
          tenant={tenant}
          chosen={facts.filter(({ id }) => asking.ids.includes(id))}
          onClose={() => setAsking(null)}
          onConfirm={confirm}
        />
      )}
    </>
  )
}

type QuestionProps = {
  kind: Kind
  tenant: string
  chosen: Fact[]
  onClose: () => void
  onConfirm: Parameters<typeof ConfirmDialog>[0]['onConfirm']
}

function Question({ kind, tenant, chosen, onClose, onConfirm }: QuestionProps) {
  const verb = kind === 'tokens' ? 'Revoke' : 'Disconnect'
  const what = plural(chosen.length, nouns[kind])
  const owners = [...new Set(chosen.map(({ owner }) => owner))]
  const [only] = chosen.length === 1 ? chosen : []
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={only ? `${verb} ${only.name}` : `${verb} ${what}`}
      lead={
        kind === 'tokens'
          ? 'Valetkey rejects them at once and deletes them upstream. Anything that uses them stops working.'
          : 'All live tokens issued from them are revoked too, here and upstream, and the stored tokens are destroyed. The owners must link again.'
      }
      counts={[
        ...(only ? [] : [{ label: kind === 'tokens' ? 'Tokens' : 'Connections', value: String(chosen.length) }]),
        { label: owners.length === 1 ? 'Owner' : 'Owners', value: ownersInShort(owners) },
      ]}
      phrase={chosen.length > many ? tenant : undefined}
      reason={chosen.length > many ? 'required' : chosen.length > 1 ? 'optional' : undefined}
      confirmLabel={only ? `${verb} ${nouns[kind]}` : `${verb} ${what}`}
      onConfirm={onConfirm}
    />
  )
}

const ownersInShort = (owners: string[]): string =>
  owners.length > 3 ? `${owners.length}: ${owners.slice(0, 3).join(', ')} and others` : owners.join(', ')
