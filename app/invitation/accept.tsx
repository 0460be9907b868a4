'use client'
import { useEffect, useState } from 'react'
import { client, leaveFor, send } from '@/app/_console/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'

const key = 'valetkey-invitation'

/** Takes the secret out of the address bar; it waits in this tab alone while its holder signs in. */
function takeSecret(): string | null {
  const secret = window.location.hash.slice(1) || sessionStorage.getItem(key)
  if (window.location.hash) window.history.replaceState(window.history.state, '', window.location.pathname)
  if (secret) sessionStorage.setItem(key, secret)
  return secret
}

/** Asks before joining, so that a link alone makes nobody a member. */
export function AcceptInvitation({ signedIn }: { signedIn: boolean }) {
  const [secret, setSecret] = useState<string | null | undefined>(undefined)
  useEffect(() => setSecret(takeSecret()), [])
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(client.POST('/api/v1/invitations/accept', { body: { secret: secret ?? '' } }))
    if (sent.ok) {
      sessionStorage.removeItem(key)
      leaveFor(`/t/${sent.data.slug}/projects`)
    }
    return sent
  })
  if (secret === undefined) return <SkeletonLine className="h-10 w-full" />
  if (secret === null)
    return (
      <Notice
        tone="attention"
        title="The link is not complete"
        meaning="The part behind the # is missing, or the invitation was already accepted here."
        next="Open the whole link again, or ask for a new one."
      />
    )
  if (!signedIn)
    return (
      <ButtonLink variant="primary" href="/signin?return_to=%2Finvitation">
        Sign in to accept
      </ButtonLink>
    )
  return (
    <div className="flex flex-col gap-3">
      <Button variant="primary" busy={busy} onClick={() => void start()}>
        Join the tenant
      </Button>
      <ButtonLink href="/">Not now</ButtonLink>
      <ProblemNotice problem={problem} />
    </div>
  )
}
