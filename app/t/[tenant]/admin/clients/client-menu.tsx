'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { plural } from '@/app/_features/words.ts'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import { type Audience, ChangeClient, type Ending, type Values } from './client-form.tsx'

/** `isOwnWord`: it says itself what it is, so nobody changes that here. */
type Props = { tenant: string; client: { id: string; values: Values }; isOwnWord: boolean; audiences: Audience[] }
type Act = 'change' | 'end' | 'remove'

/** What is registered of a client, what people gave it, and its end. What an act reaches is counted before it is confirmed. */
export function ClientMenu({ tenant, client: registered, isOwnWord, audiences }: Props) {
  const router = useRouter()
  const [act, setAct] = useState<Act | null>(null)
  const [ending, setEnding] = useState<Ending | null>(null)
  const { id, values } = registered
  const params = { path: { tenant, client: id } }
  const close = () => setAct(null)

  async function ask(next: Act) {
    setEnding(null)
    setAct(next)
    const counted = await send(client.GET('/api/v1/tenants/{tenant}/clients/{client}/ending', { params }))
    if (counted.ok) setEnding(counted.data)
  }
  async function told<T>(done: string, call: Promise<Sent<T>>): Promise<Sent<T>> {
    const sent = await call
    if (sent.ok) {
      say(done)
      router.refresh()
    }
    return sent
  }
  const counts = ending && { counts: countsOf(ending) }
  return (
    <>
      <DropdownMenu
        label={`Actions for ${values.name}`}
        items={[
          ...(isOwnWord ? [] : [{ label: 'Change…', onSelect: () => void ask('change') }]),
          { label: 'End its grants…', danger: true, onSelect: () => void ask('end') },
          { label: 'Remove…', danger: true, onSelect: () => void ask('remove') },
        ]}
      />
      {act === 'change' && (
        <ChangeClient tenant={tenant} client={registered} audiences={audiences} ending={ending} onClose={close} />
      )}
      <ConfirmDialog
        open={act === 'end'}
        onOpenChange={close}
        title={`End the grants of ${values.name}`}
        lead="Everybody who let it in must do so again. The client itself, its secrets and its keys stay."
        confirmLabel="End grants"
        {...counts}
        onConfirm={() =>
          told(
            'Grants ended',
            send(client.PATCH('/api/v1/tenants/{tenant}/clients/{client}', { params, body: { end_grants: true } })),
          )
        }
      />
      <ConfirmDialog
        open={act === 'remove'}
        onOpenChange={close}
        title={`Remove ${values.name}`}
        lead="It gets in no more, and what people gave it ends, also upstream where possible. Its client id never counts again."
        confirmLabel="Remove client"
        reason="optional"
        {...counts}
        onConfirm={({ reason }) =>
          told(
            'Client removed',
            send(
              client.DELETE('/api/v1/tenants/{tenant}/clients/{client}', { params, body: reason ? { reason } : {} }),
            ),
          )
        }
      />
    </>
  )
}

const countsOf = ({ grants, people, tokens }: Ending) => [
  { label: 'Grants', value: grants === 0 ? 'None' : `${plural(grants, 'grant')} by ${plural(people, 'person')}` },
  {
    label: 'Tokens',
    value: tokens === 0 ? 'None issued through them' : `${plural(tokens, 'live token')} issued through them, revoked`,
  },
]
