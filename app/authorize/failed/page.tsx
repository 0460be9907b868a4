import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { errorCodes } from '@/lib/errors.ts'

export const metadata = { title: 'An app could not ask' }

const codes = ['invalid_client', 'redirect_unknown', 'bad_request', 'rate_limited'] as const

/** A program sent somebody here in a way that cannot be answered to the program itself (RFC 6749 4.1.2.1). */
export default async function AuthorizeFailedPage({ searchParams }: { searchParams: Promise<Query> }) {
  const code = oneOf(codes, single((await searchParams).code)) ?? 'bad_request'
  const { title, next } = errorCodes[code]
  return (
    <SignInCard title={title} lead="An app sent you here to ask for access. Nothing was allowed and nothing changed.">
      <p className="font-semibold">{code === 'bad_request' ? 'Start again in the app.' : next}</p>
      <ButtonLink href="/">Go to Valetkey</ButtonLink>
    </SignInCard>
  )
}
