'use client'
import { useCallback, useEffect, useState } from 'react'
import { client, leaveFor, type Sent, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import type { Role } from '@/app/_ui/nav.ts'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { roleWords } from '@/app/t/[tenant]/admin/members/role-words.ts'

const key = 'valetkey-invitation'

/** Takes the secret out of the address bar; it waits in this tab alone while its holder signs in. */
function takeSecret(): string | null {
  const secret = window.location.hash.slice(1) || sessionStorage.getItem(key)
  if (window.location.hash) window.history.replaceState(window.history.state, '', window.location.pathname)
  if (secret) sessionStorage.setItem(key, secret)
  return secret
}

type Preview = { tenant: string; role: Role; state: 'open' | 'used' | 'over'; expires_at: string }

/** Says where the link leads and asks before joining, so that a link alone makes nobody a member. */
export function AcceptInvitation({ signedIn }: { signedIn: boolean }) {
  const [secret, setSecret] = useState<string | null>()
  const [preview, setPreview] = useState<Sent<Preview>>()
  useEffect(() => setSecret(takeSecret()), [])
  const load = useCallback(async (of: string) => {
    setPreview(undefined)
    setPreview(await send(client.POST('/api/v1/invitations/preview', { body: { secret: of } })))
  }, [])
  useEffect(() => {
    if (secret) void load(secret)
  }, [secret, load])

  if (secret === null)
    return (
      <Notice
        tone="attention"
        title="The link is incomplete"
        meaning="The part after the # is missing, or the invitation was already accepted here."
        next="Open the complete link again, or ask for a new one."
      />
    )
  if (!secret || !preview) return <Loading />
  if (!preview.ok) {
    const again = preview.code !== 'invitation_unknown' && <Button onClick={() => void load(secret)}>Try again</Button>
    return <ProblemNotice problem={preview.problem} action={again} />
  }
  const { tenant, role, state, expires_at } = preview.data
  return (
    <div className="flex flex-col gap-5">
      <KeyValue
        items={[
          { label: 'Tenant', value: <strong className="font-semibold">{tenant}</strong> },
          {
            label: 'Your role',
            value: (
              <>
                <strong className="font-semibold">{role}</strong>. {roleWords[role]}
              </>
            ),
          },
          ...(state === 'open' ? [{ label: 'Expires', value: <Time at={expires_at} form="exact" /> }] : []),
        ]}
      />
      {state === 'open' ? (
        <Join secret={secret} tenant={tenant} signedIn={signedIn} />
      ) : (
        <Notice tone="attention" {...closed[state]} action={<ButtonLink href="/">Go to your tenants</ButtonLink>} />
      )}
    </div>
  )
}

const closed = {
  used: {
    title: 'This invitation was used',
    meaning: 'Each invitation works once. If you used it, you are already a member.',
    next: 'If you did not use it, tell an owner or admin of the tenant and ask for a new one.',
  },
  over: {
    title: 'This invitation has expired',
    meaning: 'It is too old, or its creator may no longer give this role.',
    next: 'Ask an owner or admin of the tenant for a new one.',
  },
}

function Join({ secret, tenant, signedIn }: { secret: string; tenant: string; signedIn: boolean }) {
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(client.POST('/api/v1/invitations/accept', { body: { secret } }))
    if (sent.ok) {
      sessionStorage.removeItem(key)
      leaveFor(`/t/${sent.data.slug}/projects`)
    }
    return sent
  })
  if (!signedIn)
    return (
      <ButtonLink variant="primary" href="/signin?return_to=%2Finvitation">
        Sign in to accept
      </ButtonLink>
    )
  return (
    <div className="flex flex-col gap-3">
      <Button variant="primary" busy={busy} onClick={() => void start()}>
        <span className="truncate">Join {tenant}</span>
      </Button>
      <ButtonLink href="/">Not now</ButtonLink>
      <ProblemNotice problem={problem} />
    </div>
  )
}

/** Of the size of what will stand there. */
function Loading() {
  return (
    <div role="status" aria-label="Loading the invitation" className="flex flex-col gap-3">
      <SkeletonLine className="w-3/4" />
      <SkeletonLine className="w-full" />
      <SkeletonLine className="h-10 w-full" />
    </div>
  )
}
