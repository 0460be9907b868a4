'use client'
import { Snowflake, Sun } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { FocusHeir } from '@/app/_features/focus-heir.tsx'
import type { FreezeTarget } from '@/app/_features/freeze-target.ts'
import { programFreezeMeans, freezeMeans as thingFreezeMeans } from '@/app/_features/words.ts'
import type { ActionResult } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { Select } from '@/app/_ui/field.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Props = {
  tenant: string
  target: FreezeTarget
  /** It is frozen itself, whatever else applies to it. */
  frozen: boolean
}

/** Freezes something or lifts its freeze, after a question. */
export function FreezeButton({
  size,
  variant,
  of,
  ...freeze
}: Props & Pick<ButtonProps, 'size' | 'variant'> & { /** What it is, where a page has several. */ of?: string }) {
  const [asking, setAsking] = useState(false)
  return (
    <FocusHeir>
      <Button size={size} variant={variant} onClick={() => setAsking(true)}>
        {freeze.frozen ? `Lift freeze${of ? ` of ${of}` : ''}…` : `Freeze${of ? ` ${of}` : ''}…`}
      </Button>
      <FreezeDialog {...freeze} open={asking} onOpenChange={setAsking} />
    </FocusHeir>
  )
}

/** The entry of a menu that opens the question. */
export const freezeItem = (frozen: boolean) =>
  frozen ? { label: 'Lift freeze…', icon: <Sun aria-hidden /> } : { label: 'Freeze…', icon: <Snowflake aria-hidden /> }

const hour = 3_600_000
export const freezeEnds = [
  { value: '', label: 'When someone lifts it' },
  { value: String(hour), label: 'In 1 hour' },
  { value: String(8 * hour), label: 'In 8 hours' },
  { value: String(24 * hour), label: 'In 1 day' },
  { value: String(7 * 24 * hour), label: 'In 7 days' },
]

const reaches = {
  member: 'For all their connections in this tenant: ',
  project: 'For everyone who linked it: ',
  provider: 'For all its projects and connections: ',
  connection: '',
  client: 'For everyone in this tenant who uses it: ',
  grant: '',
} as const

const nouns = {
  member: 'member',
  project: 'project',
  provider: 'provider',
  connection: 'connection',
  client: 'app',
  grant: 'device or app',
} as const

type DialogProps = Props & { open: boolean; onOpenChange: (open: boolean) => void }

export function FreezeDialog({ tenant, target, frozen, open, onOpenChange }: DialogProps) {
  const router = useRouter()
  const [end, setEnd] = useState('')
  const { kind, id, name, facts } = target
  async function freeze(reason: string): Promise<ActionResult> {
    const until = end && new Date(Date.now() + Number(end)).toISOString()
    const body = { kind, id, ...(reason && { reason }), ...(until && { until }) }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/freezes', { params: { path: { tenant } }, body }))
    if (sent.ok) say(sent.data.already ? `${name} was already frozen` : `${name} is frozen`)
    return sent
  }
  async function lift(): Promise<ActionResult> {
    const sent = await send(
      client.DELETE('/api/v1/tenants/{tenant}/freezes/{kind}/{id}', { params: { path: { tenant, kind, id } } }),
    )
    if (sent.ok) say(sent.data.already ? `${name} was not frozen` : `The freeze of ${name} is lifted`)
    return sent
  }
  const isProgram = kind === 'client' || kind === 'grant'
  const freezeMeans = isProgram ? programFreezeMeans : thingFreezeMeans
  const means = `${freezeMeans[0]?.toLowerCase()}${freezeMeans.slice(1)}`
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onOpenChange}
      title={frozen ? `Lift the freeze of ${name}` : `Freeze ${name}`}
      lead={
        frozen
          ? isProgram
            ? 'It can be used again, unless another freeze applies. Nothing was lost.'
            : 'Linking, issuing and renewing work again, unless another freeze applies. Nothing was lost.'
          : `${reaches[kind] ? reaches[kind] + means : freezeMeans} ${isProgram ? 'Signing in' : 'Disconnecting or linking'} again does not lift it. The people affected see the reason and the end date.`
      }
      counts={facts}
      tone="primary"
      reason={frozen ? undefined : 'optional'}
      confirmLabel={frozen ? 'Lift freeze' : `Freeze ${nouns[kind]}`}
      onConfirm={async ({ reason }) => {
        const result = await (frozen ? lift() : freeze(reason))
        if (result.ok) router.refresh()
        return result
      }}
    >
      {!frozen && (
        <Select label="Freeze ends" options={freezeEnds} value={end} onChange={(event) => setEnd(event.target.value)} />
      )}
    </ConfirmDialog>
  )
}
