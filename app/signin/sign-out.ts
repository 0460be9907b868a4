'use client'
import type { ActionResult } from '@/app/_ui/action.ts'

/**
 * Ends the session and leaves: to the identity provider, where it has a place to sign out, or for the sign-in page. A whole
 * navigation, so that nothing of the person stays in the router's memory. When the session could not be ended, it says so
 * and the person is still signed in.
 */
export async function signOut(): Promise<ActionResult> {
  const answer = await fetch('/api/auth/signout', { method: 'POST', headers: { accept: 'application/json' } })
  if (!answer.ok) {
    const requestId = answer.headers.get('x-request-id') ?? undefined
    return {
      ok: false,
      problem: {
        title: 'You are still signed in',
        meaning: 'Signing out failed.',
        next: 'Try again in a moment, before you leave this computer.',
        requestId,
      },
    }
  }
  const { next } = (await answer.json()) as { next: string }
  window.location.replace(next)
  return { ok: true }
}
