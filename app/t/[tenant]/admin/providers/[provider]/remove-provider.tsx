'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Takes a provider away that nothing stands with any more; its name has to be typed. */
export function RemoveProvider({ tenant, provider }: { tenant: string; provider: { id: string; name: string } }) {
  const router = useRouter()
  const [isAsking, setAsking] = useState(false)
  return (
    <div>
      <Button variant="danger" onClick={() => setAsking(true)}>
        Remove provider…
      </Button>
      <ConfirmDialog
        open={isAsking}
        onOpenChange={setAsking}
        title={`Remove ${provider.name}`}
        lead="Nobody can link it any more. Its connections and tokens have to be revoked first; what happened stays in the activity. A client that registered itself is removed at its authorization server as well."
        confirmLabel="Remove provider"
        phrase={provider.name}
        onConfirm={async () => {
          const params = { path: { tenant, provider: provider.id } }
          const sent = await send(client.DELETE('/api/v1/tenants/{tenant}/providers/{provider}', { params }))
          if (sent.ok) {
            say('Provider removed')
            router.push(`/t/${tenant}/admin/providers`)
            router.refresh()
          }
          return sent
        }}
      />
    </div>
  )
}
