'use client'
import { Button } from './_ui/button.tsx'
import { Notice } from './_ui/notice.tsx'

type Props = { error: Error & { digest?: string }; reset: () => void }

export default function ErrorPage({ error, reset }: Props) {
  // What a guard left (lib/http/page.ts).
  const tooMany = error.digest === 'too_many_pages'
  return (
    <main id="content" className="mx-auto flex max-w-[640px] flex-col gap-4 px-4 py-12">
      <h1 className="font-semibold text-[24px] leading-8">This page could not be shown</h1>
      <Notice
        tone="error"
        title={tooMany ? 'Too many pages in a short time' : 'The server could not load this page'}
        meaning="Nothing was changed. Tokens already issued are not affected."
        next={
          tooMany
            ? 'Wait a minute and try again.'
            : 'Try again. If it keeps failing, give the operator the request id below.'
        }
        requestId={tooMany ? undefined : error.digest}
        action={<Button onClick={reset}>Try again</Button>}
      />
    </main>
  )
}
