'use client'
import { FlaskConical } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** The words of an issue speak of a project; here any of the provider's will do. */
const notLinked = {
  title: 'You have no connection here',
  meaning: 'It is tried with a connection of your own, and nobody else’s.',
  next: 'Link a project with this provider, then find out.',
}

/** Finds out what the upstream does with smaller tokens; asks first, because it may cost the connection. */
export function Probe({ tenant, provider }: { tenant: string; provider: string }) {
  const router = useRouter()
  const [isOpen, setOpen] = useState(false)
  return (
    <>
      <Button onClick={() => setOpen(true)}>
        <FlaskConical aria-hidden />
        Find out…
      </Button>
      <ConfirmDialog
        open={isOpen}
        onOpenChange={setOpen}
        title="Find out whether it makes limited tokens"
        lead="Valetkey makes two small tokens from your own connection, revokes them, and renews the connection. Nobody gets them. If the upstream ends the whole connection with one token, you have to link again afterwards."
        tone="primary"
        confirmLabel="Find out"
        onConfirm={async () => {
          const params = { path: { tenant, provider } }
          const sent = await send(
            client.POST('/api/v1/tenants/{tenant}/providers/{provider}/probe', { params, body: {} }),
          )
          if (sent.ok) {
            say(sent.data.offered ? 'It makes limited tokens' : 'It makes no limited tokens')
            router.refresh()
          }
          return !sent.ok && sent.code === 'not_linked' ? { ok: false, problem: notLinked } : sent
        }}
      />
    </>
  )
}
