'use client'
import { Button } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'

type Props = { error: Error & { digest?: string }; reset: () => void }

export default function ConsoleError({ error, reset }: Props) {
  return (
    <>
      <PageHeader title="This page did not load" />
      <EmptyState
        kind="failed"
        title="The server could not finish this page"
        why={`Nothing was changed by looking at it, and you are still signed in. Try again in a moment.${error.digest ? ` If it stays, tell the operator the reference ${error.digest}.` : ''}`}
        action={<Button onClick={reset}>Try again</Button>}
      />
    </>
  )
}
