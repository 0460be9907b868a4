'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button, ButtonLink } from '@/app/_ui/button.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { KindView } from '@/lib/broker/providers.ts'

/** What is asked where there is no upstream: a name. Its audiences are added afterwards. */
export function OwnForm({ tenant, kind }: { tenant: string; kind: KindView }) {
  const router = useRouter()
  const [name, setName] = useState('Own APIs')
  const [capMinutes, setCapMinutes] = useState('')
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/providers', {
        params: { path: { tenant } },
        body: {
          // The client's type names the kinds that it was generated with.
          kind: kind.name as never,
          name,
          ...(capMinutes && { max_lifetime_seconds: Number(capMinutes) * 60 }),
        },
      }),
    )
    if (sent.ok) router.push(`/t/${tenant}/admin/providers/${sent.data.id}`)
    return sent
  })
  async function submit(event: FormEvent) {
    event.preventDefault()
    if (!(await start())) return
    say('Own APIs added')
    router.refresh()
  }
  return (
    <Section
      title="2. Own APIs"
      lead="There is nothing to register. Your tenant gets an issuer and a signing key of its own; then you add the APIs that tokens are for."
    >
      <form className="flex max-w-[720px] flex-col gap-4" onSubmit={submit}>
        <Input
          label="Name"
          hint="Shown to people in this tenant."
          required
          maxLength={80}
          autoComplete="off"
          value={name}
          onChange={(event) => setName(event.target.value)}
        />
        <Input
          label="Longest token lifetime, in minutes"
          optional
          type="number"
          inputMode="numeric"
          min={1}
          max={1440}
          step={1}
          hint="The limit for tokens of all these APIs. If empty, the tenant’s limit applies."
          value={capMinutes}
          onChange={(event) => setCapMinutes(event.target.value)}
        />
        <ProblemNotice problem={problem} />
        <div className="flex flex-wrap items-center gap-2 border-t pt-4">
          <ButtonLink href={`/t/${tenant}/admin/providers`}>Cancel</ButtonLink>
          <Button type="submit" variant="primary" busy={busy}>
            Add own APIs
          </Button>
        </div>
      </form>
    </Section>
  )
}
