'use client'
import { Button } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'

type Props = { error: Error & { digest?: string }; reset: () => void }

export default function ConsoleError({ error, reset }: Props) {
  // What a guard left (lib/http/page.ts).
  const tooMany = error.digest === 'too_many_pages'
  const reference =
    error.digest && !tooMany ? ` If it keeps failing, give the operator the reference ${error.digest}.` : ''
  return (
    <>
      <PageHeader title="This page did not load" />
      <EmptyState
        kind="failed"
        title={tooMany ? 'Too many pages in a short time' : 'The server could not load this page'}
        why={`Nothing was changed, and you are still signed in. Try again in a ${tooMany ? 'minute' : 'moment'}.${reference}`}
        action={<Button onClick={reset}>Try again</Button>}
      />
    </>
  )
}
