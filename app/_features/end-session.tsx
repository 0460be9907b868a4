'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import { client, send } from './client.ts'

type Props = { tenant: string; user: string; session: { id: string; name: string }; own: boolean }

/** Ends one session: of somebody else for this tenant, of one's own everywhere. */
export function EndSession({ tenant, user, session, own }: Props) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button size="sm" aria-label={`End the session ${session.name}`} onClick={() => setAsking(true)}>
        End…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title="End this session"
        lead={
          own
            ? `“${session.name}” is signed out at once, in all of your tenants.`
            : `This tenant no longer accepts “${session.name}”. A new sign-in is a new session. Other tenants are not affected.`
        }
        confirmLabel="End session"
        onConfirm={async () => {
          const params = { path: { tenant, user, session: session.id } }
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/members/{user}/sessions/{session}', { params, body: {} }),
          )
          if (sent.ok) {
            say('Session ended')
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}
