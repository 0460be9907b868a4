'use client'
import type { ActionResult } from '@/app/_ui/action.ts'

/**
 * Ends the session and leaves for the sign-in page. A whole navigation, so that nothing of the person stays in the
 * router's memory. When the session could not be ended, it says so and the person is still signed in.
 */
export async function signOut(): Promise<ActionResult> {
  const answer = await fetch('/api/auth/signout', {
    method: 'POST',
    headers: { accept: 'application/json' },
    // The answer is a redirect for browsers without scripts; its cookies count all the same.
    redirect: 'manual',
  })
  if (answer.type !== 'opaqueredirect') {
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
  window.location.replace('/signin')
  return { ok: true }
}
