'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { CheckboxGroup } from '@/app/_ui/checkbox.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import type { Reachable } from '@/lib/broker/link/complete.ts'

type Props = { tenant: string; attempt: string; projects: Reachable[] }

/** Which of the projects that a sign-in reaches the connection is for (ASK-08). None is chosen beforehand. */
export function ChooseProjects({ tenant, attempt, projects }: Props) {
  const router = useRouter()
  const [chosen, setChosen] = useState<string[]>([])
  const [checked, setChecked] = useState(false)
  // A press before scripts run would do nothing, and look like an answer.
  const isReady = useHydrated()
  const link = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/attempts/{attempt}/projects', {
        params: { path: { tenant, attempt } },
        body: { projects: chosen },
      }),
    )
    if (sent.ok) router.push(`/t/${tenant}/projects/${sent.data.project}?linked=1`)
    return sent
  })
  const cancel = useAction(async () => {
    const sent = await send(
      client.DELETE('/api/v1/tenants/{tenant}/attempts/{attempt}', { params: { path: { tenant, attempt } } }),
    )
    if (sent.ok) router.push(`/t/${tenant}/projects`)
    return sent
  })
  const count = chosen.length
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        setChecked(true)
        if (count > 0) void link.start()
      }}
    >
      <CheckboxGroup
        label="Projects"
        name="projects"
        value={chosen}
        onChange={setChosen}
        options={projects.map(({ externalId, name, role, linkedBy }) => ({
          value: externalId,
          label: `${name} · ${externalId}`,
          disabled: linkedBy !== null,
          ...(linkedBy !== null
            ? { hint: 'Linked already, by a connection of its own. Move that one instead.' }
            : role !== null && { hint: `Your role there: ${role}` }),
        }))}
      />
      {checked && count === 0 && (
        <p role="alert" className="text-broken">
          Choose at least one project.
        </p>
      )}
      <div className="flex flex-wrap gap-2">
        <Button type="submit" variant="primary" disabled={!isReady} busy={link.busy}>
          {count > 1 ? `Link ${count} projects` : 'Link'}
        </Button>
        <Button disabled={!isReady} busy={cancel.busy} onClick={() => void cancel.start()}>
          Cancel and end the sign-in
        </Button>
      </div>
      <ProblemNotice problem={link.problem ?? cancel.problem} />
    </form>
  )
}
