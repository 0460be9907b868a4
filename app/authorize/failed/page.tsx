import { oneOf, type Query, single } from '@/app/_features/query.ts'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { errorCodes } from '@/lib/errors.ts'

export const metadata = { title: 'An app could not ask' }

const codes = [
  'client_document_refused',
  'client_document_invalid',
  'invalid_client',
  'redirect_unknown',
  'request_uri_unknown',
  'bad_request',
  'rate_limited',
] as const

/** To whom the app is not theirs: what its maker reads of the same codes is in lib/errors.ts. */
const words: Partial<Record<(typeof codes)[number], { title: string; next: string }>> = {
  invalid_client: {
    title: 'This app is not known here',
    next: 'Tell whoever gave you the app: the client_id that it names is not registered.',
  },
  redirect_unknown: {
    title: 'This app is not registered for the address it names',
    next: 'Tell whoever runs the app: an admin must add its redirect URI to the client, to the letter.',
  },
  bad_request: { title: errorCodes.bad_request.title, next: 'Start again in the app.' },
}

/** A program sent somebody here in a way that cannot be answered to the program itself (RFC 6749 4.1.2.1). */
export default async function AuthorizeFailedPage({ searchParams }: { searchParams: Promise<Query> }) {
  const code = oneOf(codes, single((await searchParams).code)) ?? 'bad_request'
  const { title, next } = words[code] ?? errorCodes[code]
  return (
    <SignInCard title={title} lead="An app sent you here to ask for access. Nothing was allowed and nothing changed.">
      <p className="font-semibold">{next}</p>
      <ButtonLink href="/">Go to Valetkey</ButtonLink>
    </SignInCard>
  )
}
