'use client'
import { Eye, Trash2 } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { FreezeDialog, freezeItem } from '@/app/_features/freeze.tsx'
import { type ConnectionRef, freezeTargetOf } from '@/app/_features/freeze-target.ts'
import { outcomeLine, revoke } from '@/app/_features/revoke.ts'
import { countUpTo, pluralUpTo } from '@/app/_features/words.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { Total } from '@/lib/broker/read/page.ts'

type Props = {
  tenant: string
  connection: string
  project: string
  account: string
  /** The owner's name, where somebody else looks. */
  owner?: string
  tokensOut: Total
  /** Whether the grant may be revocable upstream. */
  revocable: boolean
  /** Other projects that end with it, by their names. */
  alsoFor?: string[]
}

/** Ends the connection after saying what ends with it. */
export function Disconnect(props: Props) {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button onClick={() => setAsking(true)}>Disconnect…</Button>
      <DisconnectDialog {...props} open={asking} onOpenChange={setAsking} />
    </>
  )
}

type ActsProps = { tenant: string; connection: ConnectionRef; tokens: Total; frozen: boolean; freezable: boolean }

/** What can be done with one connection where it stands alone: look, freeze, end. */
export function ConnectionActs({ tenant, connection, tokens, frozen, freezable }: ActsProps) {
  const [asking, setAsking] = useState<'freeze' | 'end' | null>(null)
  const of = (question: typeof asking) => ({
    open: asking === question,
    onOpenChange: (open: boolean) => setAsking(open ? question : null),
  })
  const { id, name, owner, account } = connection
  return (
    <>
      <DropdownMenu
        label={`Actions for ${name}`}
        items={[
          { label: 'Details', icon: <Eye aria-hidden />, href: `/t/${tenant}/connections/${id}` },
          ...(freezable ? [{ ...freezeItem(frozen), onSelect: () => setAsking('freeze') }] : []),
          { label: 'Disconnect…', icon: <Trash2 aria-hidden />, danger: true, onSelect: () => setAsking('end') },
        ]}
      />
      <FreezeDialog tenant={tenant} target={freezeTargetOf(connection)} frozen={frozen} {...of('freeze')} />
      <DisconnectDialog
        {...{ tenant, account, owner }}
        connection={id}
        project={name}
        tokensOut={tokens}
        revocable
        {...of('end')}
      />
    </>
  )
}

type DialogProps = Props & { open: boolean; onOpenChange: (open: boolean) => void }

function DisconnectDialog(props: DialogProps) {
  const { tenant, connection, project, account, owner, tokensOut, revocable, alsoFor = [], open, onOpenChange } = props
  const router = useRouter()
  const whose = owner ? '' : ' of yours'
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onOpenChange}
      title={`Disconnect ${project}`}
      lead={`${
        tokensOut.total > 0
          ? `${pluralUpTo(tokensOut, 'live token')}${whose} ${tokensOut.total === 1 ? 'is' : 'are'} revoked too, here and where ${tokensOut.total === 1 ? 'it works' : 'they work'} upstream.`
          : `No live token${whose} is affected.`
      } The stored tokens are destroyed.${owner ? ' The owner must link again.' : ''}`}
      counts={[
        ...(owner ? [{ label: 'Owner', value: owner }] : []),
        { label: 'Account', value: account },
        ...(alsoFor.length > 0 ? [{ label: 'Ends as well', value: alsoFor.join(', ') }] : []),
        { label: 'Tokens revoked', value: countUpTo(tokensOut) },
        { label: 'Grant upstream', value: grantWords(revocable) },
      ]}
      confirmLabel="Disconnect"
      onConfirm={async () => {
        const sent = await revoke(tenant, { connections: [connection] })
        const outcome = sent.ok ? sent.data.find((each) => each.kind === 'connection') : undefined
        if (outcome) say(`${project}: ${outcomeLine(outcome)}`)
        if (sent.ok) router.refresh()
        return sent
      }}
    />
  )
}

/** What can be expected of the upstream; what it then did is told afterwards. */
const grantWords = (revocable: boolean): string =>
  revocable
    ? 'revoked there if the upstream supports it'
    : 'this kind of upstream cannot revoke it; only our copy is destroyed'
