'use client'
import { Toaster as Sonner, toast } from 'sonner'

/** Where toasts appear; once, in the root layout. */
export function Toaster() {
  return (
    <Sonner
      theme="system"
      position="bottom-right"
      // Its own style sheet names a font for the list of toasts; the toasts then inherit the page's.
      style={{ fontFamily: 'inherit' }}
      toastOptions={{
        style: {
          background: 'var(--surface)',
          color: 'var(--ink)',
          border: '1px solid var(--line)',
          borderRadius: 8,
          boxShadow: 'none',
        },
      }}
    />
  )
}

/** Says that something was done: "Token revoked". Failures belong in a Notice, where they stay. */
export const say = (text: string): void => {
  toast(text)
}
