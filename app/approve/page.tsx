import { ChevronRight } from 'lucide-react'
import type { ReactNode } from 'react'
import { ButtonLink } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import Link from '@/app/_ui/link.tsx'
import { SignInCard } from '@/app/_ui/sign-in-card.tsx'
import { Countdown } from '@/app/_ui/time.tsx'
import { WhoIsHere } from '@/app/signin/who-is-here.tsx'
import { type Waiting, waitingFor } from '@/lib/authserver/waiting.ts'
import { answererOf, requirePerson } from '@/lib/http/page.ts'

export const metadata = { title: 'Waiting for you' }

/** What programs ask of the person who looks, in all of their tenants. Each is answered on its own page. */
export default async function WaitingPage() {
  const { ctx, session } = await requirePerson('/approve')
  const waiting = await waitingFor(ctx, await answererOf(session))
  const now = ctx.now().toISOString()
  return (
    <SignInCard
      wide
      title="Waiting for you"
      lead={
        waiting.length > 0 &&
        'Open a request to see what it is. Leave what you did not start yourself: it ends by itself.'
      }
      footer={<WhoIsHere session={session} />}
    >
      {waiting.length > 0 ? (
        <ul className="flex flex-col gap-2">
          {waiting.map((one) => (
            <li key={one.id}>
              <Link
                href={one.kind === 'device' ? `/authorize/${one.id}` : `/connect/${one.id}`}
                className="flex items-center justify-between gap-3 rounded-lg border px-4 py-3 hover:bg-raised"
              >
                <span className="wrap-anywhere flex min-w-0 flex-col">
                  <span className="font-semibold">{titleOf(one)}</span>
                  <span className="text-muted">
                    {aboutOf(one)}
                    <Countdown until={one.expiresAt.toISOString()} now={now} lead="ends in " ended="over" />
                  </span>
                </span>
                <ChevronRight aria-hidden className="size-4 shrink-0 text-muted" />
              </Link>
            </li>
          ))}
        </ul>
      ) : (
        <EmptyState
          kind="no-data"
          title="Nothing waits for you"
          why="When a program needs you to link a project, it appears here until you answer or ten minutes are over. A device shows a code: enter it to see what it asks for."
          action={<ButtonLink href="/device">Enter a code</ButtonLink>}
        />
      )}
      {waiting.length > 0 && (
        <div>
          <ButtonLink href="/device">Enter the code of a device</ButtonLink>
        </div>
      )}
    </SignInCard>
  )
}

const titles = { link: 'Link', reconnect: 'Reconnect', step_up: 'Allow more to' } as const

const titleOf = (one: Waiting): ReactNode =>
  one.kind === 'device' ? (
    <>
      Let in <bdi>{one.program}</bdi>
    </>
  ) : (
    <>
      {titles[one.cause]} <bdi>{one.project.name}</bdi>
    </>
  )

/** Who asks, and where. */
function aboutOf(one: Waiting): ReactNode {
  const who = one.kind === 'link' && one.program
  return (
    <>
      {who && (
        <>
          for <bdi>{who.name}</bdi> ·{' '}
        </>
      )}
      {one.tenant !== null && (
        <>
          <bdi>{one.tenant}</bdi> ·{' '}
        </>
      )}
    </>
  )
}
