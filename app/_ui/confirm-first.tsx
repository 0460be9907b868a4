'use client'
import { useState } from 'react'
import { useHydrated } from './clock.ts'
import { ConfirmAgain, useConfirmed } from './confirm-identity.tsx'
import { Notice } from './notice.tsx'

/** On top of a form whose act needs a recent sign-in, so that nobody learns of it when everything is typed. */
export function ConfirmFirst() {
  const confirmed = useConfirmed()
  const [wasRecent] = useState(confirmed?.isRecent)
  // Two clocks may not agree: the server says nothing.
  if (!useHydrated() || !confirmed || wasRecent) return null
  return (
    <Notice
      tone={confirmed.isRecent ? 'info' : 'attention'}
      title="Saving this needs a recent sign-in"
      next={!confirmed.isRecent && 'You can do it now or later. What you type here stays.'}
      action={<ConfirmAgain />}
    />
  )
}
