import type { Session } from '@/lib/http/session.ts'
import { SignOutButton } from './sign-out-button.tsx'

/** Below a card without navigation: as whom one acts, and the way to be somebody else. */
export function WhoIsHere({ session }: { session: Pick<Session, 'email' | 'name'> }) {
  return (
    <div className="flex flex-wrap items-center justify-between gap-2">
      <span className="wrap-anywhere">Signed in as {session.email ?? session.name}</span>
      <SignOutButton />
    </div>
  )
}
