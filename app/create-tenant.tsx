'use client'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'

/** A tenant's address out of its name. */
const slugOf = (name: string) =>
  name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 40)

/** Makes a tenant and goes there. */
export function CreateTenant() {
  const [name, setName] = useState('')
  const [slug, setSlug] = useState<string>()
  const address = slug ?? slugOf(name)
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(client.POST('/api/v1/tenants', { body: { name, slug: address } }))
    if (sent.ok) window.location.assign(`/t/${sent.data.slug}/projects`)
    return sent
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    void start()
  }
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <ProblemNotice problem={problem} />
      <Input
        label="Name"
        hint="Your organisation or team."
        value={name}
        required
        maxLength={80}
        onChange={(event) => setName(event.target.value)}
      />
      <Input
        label="Address"
        hint={`Cannot be changed later: /t/${address || '…'}`}
        value={address}
        required
        maxLength={40}
        autoCapitalize="none"
        spellCheck={false}
        className="font-mono"
        onChange={(event) => setSlug(event.target.value)}
      />
      <Button type="submit" variant="primary" busy={busy}>
        Create tenant
      </Button>
    </form>
  )
}
