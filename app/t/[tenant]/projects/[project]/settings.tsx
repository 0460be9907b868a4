'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { aliasFault, aliasHint } from '@/app/_features/link.tsx'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type RenameProps = { tenant: string; project: string; alias: string }

/** Gives the project another alias; former ones keep working. */
export function RenameAlias({ tenant, project, alias }: RenameProps) {
  const router = useRouter()
  const [value, setValue] = useState(alias)
  const { busy, problem, start } = useAction(() =>
    send(
      client.PATCH('/api/v1/tenants/{tenant}/projects/{project}', {
        params: { path: { tenant, project } },
        body: { alias: value },
      }),
    ),
  )
  async function rename(event: FormEvent) {
    event.preventDefault()
    if (value === alias || aliasFault(value) || !(await start())) return
    say('Alias changed')
    router.refresh()
  }
  return (
    <form className="flex flex-col gap-2" onSubmit={rename}>
      <Input
        label="Alias"
        hint={`${aliasHint} Former aliases keep working.`}
        error={value === '' ? undefined : aliasFault(value)}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <div>
        <Button type="submit" size="sm" busy={busy} disabled={value === alias || value === ''}>
          Change alias
        </Button>
      </div>
      <ProblemNotice problem={problem} />
    </form>
  )
}

type BranchProps = { tenant: string; connection: string; branch: string | null; hint: string }

/** The development branch that the tokens of this connection are used in; only told to tools, not a right. */
export function SetBranch({ tenant, connection, branch, hint }: BranchProps) {
  const router = useRouter()
  const [value, setValue] = useState(branch ?? '')
  const { busy, problem, start } = useAction(() =>
    send(
      client.PATCH('/api/v1/tenants/{tenant}/connections/{connection}', {
        params: { path: { tenant, connection } },
        body: { branch: value.trim() || null },
      }),
    ),
  )
  async function save(event: FormEvent) {
    event.preventDefault()
    if (!(await start())) return
    say('Branch saved')
    router.refresh()
  }
  return (
    <form className="flex flex-col gap-2 border-t pt-4" onSubmit={save}>
      <Input
        label="Development branch"
        optional
        hint={hint}
        autoComplete="off"
        inputMode="numeric"
        value={value}
        onChange={(event) => setValue(event.target.value)}
      />
      <div>
        <Button type="submit" size="sm" busy={busy} disabled={value.trim() === (branch ?? '')}>
          Save branch
        </Button>
      </div>
      <ProblemNotice problem={problem} />
    </form>
  )
}
