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
import type { ClientDocuments, DeviceFlow } from '@/lib/store/policies.ts'

type Named = { value: string; label: string; hint: string }
type ChoiceProps<Value extends string> = {
  tenant: string
  /** As the API calls it. */
  field: 'device_flow' | 'client_documents'
  now: Value
  title: string
  lead: string
  legend: string
  options: (Named & { value: Value })[]
  mayChange: boolean
}

/** One choice of the tenant's, of a few. */
function Choice<Value extends string>({
  tenant,
  field,
  now,
  title,
  lead,
  legend,
  options,
  mayChange,
}: ChoiceProps<Value>) {
  const router = useRouter()
  const [chosen, setChosen] = useState<Value>(now)
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant } }
    const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/policy', { params, body: { [field]: chosen } }))
    if (sent.ok) {
      say('Settings saved')
      router.refresh()
    }
    return sent
  })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (chosen !== now) void start()
  }
  return (
    <Section title={title} lead={lead}>
      <form onSubmit={submit} className="flex max-w-[720px] flex-col gap-4">
        {mayChange && <ConfirmFirst />}
        <RadioCards
          legend={legend}
          name={field}
          value={chosen}
          onChange={(value) => setChosen(value as Value)}
          options={options.map((option) => ({ ...option, disabled: !mayChange }))}
        />
        <ProblemNotice problem={problem} />
        {mayChange ? (
          <div>
            <Button type="submit" variant="primary" busy={busy} disabled={chosen === now}>
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

type Props<Value> = { tenant: string; now: Value; mayChange: boolean }

/** How members let devices in. */
export const DeviceFlowChoice = ({ address, ...rest }: Props<DeviceFlow> & { address: string }) => (
  <Choice
    {...rest}
    field="device_flow"
    title="Devices"
    lead={`A command line on another machine shows a code. A member enters it at ${address} and allows it.`}
    legend="Letting devices in"
    options={[
      {
        value: 'typed',
        label: 'Members type the code',
        hint: 'A link that brings a code fills in nothing, so that nobody is talked into a press. Recommended.',
      },
      {
        value: 'one_click',
        label: 'A link may bring the code',
        hint: 'It is filled in, for members all of whose tenants allow this. They still see what is asked before they allow it.',
      },
      {
        value: 'off',
        label: 'Not at all',
        hint: 'No new device gets in. Those that were let in before stay until somebody revokes them. Apps that open a browser still work.',
      },
    ]}
  />
)

/** Which programs that no admin registered members may let in. */
export const ClientDocumentsChoice = (props: Props<ClientDocuments>) => (
  <Choice
    {...props}
    field="client_documents"
    title="Programs that nobody registered"
    lead="Agents such as Claude Code say themselves what they are, in a document on the web. Members may let them use MCP servers that they have linked, and nothing else here."
    legend="Letting them in"
    options={[
      {
        value: 'this_computer',
        label: 'Those on the member’s own computer',
        hint: 'The answer stays at the computer whose browser asks, so that a page elsewhere gets nothing. Recommended.',
      },
      {
        value: 'anywhere',
        label: 'Those on the web as well',
        hint: 'A member who is talked into it can give a stranger’s page the use of their MCP servers, within policy.',
      },
      {
        value: 'off',
        label: 'None',
        hint: 'An admin registers each program under Clients. Those that were let in before stay until somebody revokes them.',
      },
    ]}
  />
)
