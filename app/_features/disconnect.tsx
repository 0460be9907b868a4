'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { outcomeLine, revoke } from '@/app/_features/revoke.ts'
import { plural } from '@/app/_features/words.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Props = {
  tenant: string
  connection: string
  project: string
  account: string
  /** The owner's name, where somebody else looks. */
  owner?: string
  tokensOut: number
  /** Whether the grant may be revocable upstream. */
  revocable: boolean
}

/** Ends the connection after saying what ends with it. */
export function Disconnect({ tenant, connection, project, account, owner, tokensOut, revocable }: Props) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  const whose = owner ? '' : ' of yours'
  return (
    <>
      <Button onClick={() => setAsking(true)}>Disconnect…</Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Disconnect ${project}`}
        lead={`${
          tokensOut > 0
            ? `${plural(tokensOut, 'live token')}${whose} ${tokensOut === 1 ? 'is' : 'are'} revoked too, here and where ${tokensOut === 1 ? 'it works' : 'they work'} upstream.`
            : `No live token${whose} is affected.`
        } The stored tokens are destroyed.${owner ? ' The owner must link again.' : ''}`}
        counts={[
          ...(owner ? [{ label: 'Owner', value: owner }] : []),
          { label: 'Account', value: account },
          { label: 'Tokens revoked', value: String(tokensOut) },
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
    </>
  )
}

/** What can be expected of the upstream; what it then did is told afterwards. */
const grantWords = (revocable: boolean): string =>
  revocable
    ? 'revoked there if the upstream supports it'
    : 'this kind of upstream cannot revoke it; only our copy is destroyed'
