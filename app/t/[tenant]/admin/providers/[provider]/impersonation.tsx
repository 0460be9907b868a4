'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input, Select } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Rows } from '@/app/_ui/rows.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Entry = { member: string; usernames: string[] }
type Props = { tenant: string; provider: string; members: { id: string; name: string }[]; entries: Entry[] }

const typed = (entries: Entry[]) => entries.map(({ member, usernames }) => ({ member, names: usernames.join(' ') }))

/** Says whom members may get tokens about: usernames of the upstream, by member. */
export function Impersonation({ tenant, provider, members, entries }: Props) {
  const router = useRouter()
  const [rows, setRows] = useState(() => typed(entries))
  const { busy, problem, start } = useAction(async () => {
    const impersonation = rows
      .map(({ member, names }) => ({ member, usernames: names.split(/[\s,]+/).filter((name) => name !== '') }))
      .filter(({ usernames }) => usernames.length > 0)
    const sent = await send(
      client.PATCH('/api/v1/tenants/{tenant}/providers/{provider}', {
        params: { path: { tenant, provider } },
        body: { impersonation: impersonation.length > 0 ? impersonation : null },
      }),
    )
    if (sent.ok) {
      setRows(typed(sent.data.impersonation))
      say(impersonation.length > 0 ? 'Saved who may become whom' : 'Nobody may become anybody')
      router.refresh()
    }
    return sent
  })
  async function submit(event: FormEvent) {
    event.preventDefault()
    await start()
  }
  return (
    <form className="flex max-w-[720px] flex-col gap-3" onSubmit={submit}>
      <ConfirmFirst />
      <Rows
        legend="Who may become whom"
        noun="member"
        rows={rows}
        blank={{ member: members[0]?.id ?? '', names: '' }}
        onChange={setRows}
      >
        {(row, change) => (
          <>
            <Select
              label="Member"
              value={row.member}
              onChange={({ target }) => change({ ...row, member: target.value })}
              options={members.map(({ id, name }) => ({ value: id, label: name }))}
            />
            <Input
              label="Usernames at the realm"
              hint="Separated by spaces."
              autoComplete="off"
              autoCapitalize="none"
              spellCheck={false}
              value={row.names}
              onChange={({ target }) => change({ ...row, names: target.value })}
            />
          </>
        )}
      </Rows>
      <ProblemNotice problem={problem} />
      <div>
        <Button type="submit" busy={busy}>
          Save
        </Button>
      </div>
    </form>
  )
}
