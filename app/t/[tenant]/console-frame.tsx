'use client'
import type { ReactNode } from 'react'
import { AppShell, type AppShellProps } from '@/app/_ui/app-shell.tsx'
import { signOut } from '@/app/signin/sign-out.ts'

/** The console's frame with its one act, signing out. */
export function ConsoleFrame({ children, ...frame }: Omit<AppShellProps, 'onSignOut'> & { children: ReactNode }) {
  return (
    <AppShell {...frame} onSignOut={signOut}>
      {children}
    </AppShell>
  )
}
