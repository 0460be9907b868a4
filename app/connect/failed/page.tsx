import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { requirePerson } from '@/lib/http/page.ts'
import { LinkOutcome } from '../outcome.tsx'

export const metadata = { title: 'Linking failed' }

const codes = ['attempt_unknown', 'attempt_used', 'attempt_expired', 'rate_limited', 'unavailable'] as const

/** A callback that belonged to no open attempt of this person: nothing was consumed and nothing happened. */
export default async function LinkFailedPage({ searchParams }: { searchParams: Promise<Query> }) {
  await requirePerson()
  const code = oneOf(codes, single((await searchParams).code)) ?? 'attempt_unknown'
  return (
    <LinkOutcome code={code}>
      <ButtonLink variant="primary" href="/">
        Go to your projects
      </ButtonLink>
    </LinkOutcome>
  )
}
