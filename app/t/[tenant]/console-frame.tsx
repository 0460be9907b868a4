'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useEffect, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type Ending, endingCounts, previewEnding } from '@/app/_features/ending.ts'
import { AppShell, type AppShellProps } from '@/app/_ui/app-shell.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ConfirmedProvider } from '@/app/_ui/confirm-identity.tsx'
import { signOut } from '@/app/signin/sign-out.ts'

type Props = Omit<AppShellProps, 'onSignOut' | 'onLeave'> & {
  userId: string
  /** Where they sign in, and until when the last time counts as recent. */
  issuer: string
  confirmedUntil: string
  children: ReactNode
}

/** The console's frame with its two acts: signing out, and leaving the tenant for good. */
export function ConsoleFrame({ userId, issuer, confirmedUntil, children, ...frame }: Props) {
  const [leaving, setLeaving] = useState(false)
  const [ending, setEnding] = useState<Ending | null>(null)
  const { name, slug } = frame.tenant
  useFreshOnReturn()
  /** What they would lose is counted while the question is read. */
  async function leave() {
    setLeaving(true)
    const counted = await previewEnding(slug, userId)
    setEnding(counted.ok ? counted.data : null)
  }
  return (
    <AppShell {...frame} onSignOut={signOut} onLeave={leave}>
      <ConfirmedProvider userId={userId} issuer={issuer} until={confirmedUntil}>
        {children}
      </ConfirmedProvider>
      <ConfirmDialog
        open={leaving}
        onOpenChange={setLeaving}
        title={`Leave ${name}`}
        lead="Your connections and tokens in this tenant are revoked, also upstream where possible. You need an invitation to come back."
        confirmLabel={`Leave ${name}`}
        {...(ending && { counts: endingCounts(ending, 'leave') })}
        phrase={slug}
        onConfirm={async () => {
          const params = { path: { tenant: slug, user: userId } }
          const sent = await send(client.DELETE('/api/v1/tenants/{tenant}/members/{user}', { params, body: {} }))
          if (sent.ok) window.location.assign('/')
          return sent
        }}
      />
    </AppShell>
  )
}

/** Back and Forward show at once what the router or the browser has kept of a page; then it is read again. */
function useFreshOnReturn() {
  const router = useRouter()
  useEffect(() => {
    // After the router's own listener, which may come later in the order.
    const onReturn = () => setTimeout(() => router.refresh())
    const onShow = (event: PageTransitionEvent) => event.persisted && router.refresh()
    window.addEventListener('popstate', onReturn)
    window.addEventListener('pageshow', onShow)
    return () => {
      window.removeEventListener('popstate', onReturn)
      window.removeEventListener('pageshow', onShow)
    }
  }, [router])
}
