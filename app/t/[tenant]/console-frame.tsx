'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useEffect } from 'react'
import { AppShell, type AppShellProps } from '@/app/_ui/app-shell.tsx'
import { signOut } from '@/app/signin/sign-out.ts'

/** The console's frame with its one act, signing out. */
export function ConsoleFrame({ children, ...frame }: Omit<AppShellProps, 'onSignOut'> & { children: ReactNode }) {
  useFreshOnReturn()
  return (
    <AppShell {...frame} onSignOut={signOut}>
      {children}
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
