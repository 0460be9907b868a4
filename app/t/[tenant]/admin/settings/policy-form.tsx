'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { RadioCards } from '@/app/_ui/field.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { DeviceFlow } from '@/lib/store/policies.ts'

type Props = { tenant: string; deviceFlow: DeviceFlow; address: string; mayChange: boolean }

/** How members let devices in. */
export function PolicyForm({ tenant, deviceFlow, address, mayChange }: Props) {
  const router = useRouter()
  const [chosen, setChosen] = useState<DeviceFlow>(deviceFlow)
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant } }
    const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/policy', { params, body: { device_flow: chosen } }))
    if (sent.ok) {
      say('Settings saved')
      router.refresh()
    }
    return sent
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (chosen !== deviceFlow) void start()
  }
  return (
    <Section
      title="Devices"
      lead={`A command line on another machine shows a code. A member enters it at ${address} and allows it.`}
    >
      <form onSubmit={submit} className="flex max-w-[720px] flex-col gap-4">
        {mayChange && <ConfirmFirst />}
        <RadioCards
          legend="Letting devices in"
          name="device-flow"
          value={chosen}
          onChange={(flow) => setChosen(flow as DeviceFlow)}
          options={[
            {
              value: 'typed',
              label: 'Members type the code',
              hint: 'A link that brings a code fills in nothing, so that nobody is talked into a press. Recommended.',
              disabled: !mayChange,
            },
            {
              value: 'one_click',
              label: 'A link may bring the code',
              hint: 'It is filled in, for members all of whose tenants allow this. They still see what is asked before they allow it.',
              disabled: !mayChange,
            },
            {
              value: 'off',
              label: 'Not at all',
              hint: 'No new device gets in. Those that were let in before stay until somebody revokes them. Apps that open a browser still work.',
              disabled: !mayChange,
            },
          ]}
        />
        <ProblemNotice problem={problem} />
        {mayChange ? (
          <div>
            <Button type="submit" variant="primary" busy={busy} disabled={chosen === deviceFlow}>
              Save
            </Button>
          </div>
        ) : (
          <p className="text-muted">Owners and admins can change this.</p>
        )}
      </form>
    </Section>
  )
}
