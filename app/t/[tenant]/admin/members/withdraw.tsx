'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Makes an invitation's link useless. */
export function Withdraw({ tenant, invitation }: { tenant: string; invitation: { id: string; role: string } }) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button size="sm" onClick={() => setAsking(true)}>
        Withdraw…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Withdraw the invitation for the role ${invitation.role}`}
        lead="Its link stops working. Nobody is notified."
        confirmLabel="Withdraw invitation"
        onConfirm={async () => {
          const params = { path: { tenant, invitation: invitation.id } }
          const sent = await send(client.DELETE('/api/v1/tenants/{tenant}/invitations/{invitation}', { params }))
          if (sent.ok) {
            say('Invitation withdrawn')
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}
