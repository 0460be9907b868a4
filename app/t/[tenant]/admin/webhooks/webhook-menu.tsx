'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { ShownOnceDialog } from '@/app/_ui/shown-once-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import { EditWebhook } from './webhook-form.tsx'

type Webhook = { id: string; url: string; host: string; enabled: boolean; orphaned: boolean }
type Act = 'edit' | 'rotate' | 'on' | 'off' | 'delete'

/** Another address, another key, off and on, gone. */
export function WebhookMenu({ tenant, webhook }: { tenant: string; webhook: Webhook }) {
  const router = useRouter()
  const [act, setAct] = useState<Act | null>(null)
  const [secret, setSecret] = useState<string | null>(null)
  const { host } = webhook
  const params = { path: { tenant, webhook: webhook.id } }
  const close = () => setAct(null)

  async function told<T>(done: string, call: Promise<Sent<T>>): Promise<Sent<T>> {
    const sent = await call
    if (sent.ok) {
      say(done)
      router.refresh()
    }
    return sent
  }
  const turn = (enabled: boolean) =>
    send(client.PATCH('/api/v1/tenants/{tenant}/webhooks/{webhook}', { params, body: { enabled } }))
  const takeOver = () =>
    told(
      'The webhook is yours now',
      send(client.PATCH('/api/v1/tenants/{tenant}/webhooks/{webhook}', { params, body: { owner: 'me' } })),
    )
  return (
    <>
      <DropdownMenu
        label={`Actions for ${host}`}
        items={[
          ...(webhook.orphaned ? [{ label: 'Take over', onSelect: () => void takeOver() }] : []),
          { label: 'Change address…', onSelect: () => setAct('edit') },
          { label: 'Rotate key…', onSelect: () => setAct('rotate') },
          webhook.enabled
            ? { label: 'Switch off…', onSelect: () => setAct('off') }
            : { label: 'Switch on…', onSelect: () => setAct('on') },
          { label: 'Delete…', danger: true, onSelect: () => setAct('delete') },
        ]}
      />
      {act === 'edit' && <EditWebhook tenant={tenant} webhook={webhook} onClose={close} />}
      <ConfirmDialog
        open={act === 'rotate'}
        onOpenChange={close}
        tone="primary"
        title={`Rotate the key of ${host}`}
        lead="The new key is shown once. For one day, messages are signed with both keys, so the receiver can switch without a gap."
        confirmLabel="Rotate key"
        onConfirm={async () => {
          const sent = await send(
            client.POST('/api/v1/tenants/{tenant}/webhooks/{webhook}/secret', { params, body: {} }),
          )
          if (sent.ok) setSecret(sent.data.secret)
          return sent
        }}
      />
      <ConfirmDialog
        open={act === 'off'}
        onOpenChange={close}
        title={`Switch off ${host}`}
        lead="It gets no more messages, and waiting messages are dropped."
        confirmLabel="Switch off"
        onConfirm={() => told('Webhook switched off', turn(false))}
      />
      <ConfirmDialog
        open={act === 'on'}
        onOpenChange={close}
        tone="primary"
        title={`Switch on ${host}`}
        lead="It gets messages about changes from now on. You can resend missed messages from its message list."
        confirmLabel="Switch on"
        onConfirm={() => told('Webhook switched on', turn(true))}
      />
      <ConfirmDialog
        open={act === 'delete'}
        onOpenChange={close}
        title={`Delete ${host}`}
        lead="It gets no more messages. Its key and its messages are deleted."
        confirmLabel="Delete webhook"
        onConfirm={() =>
          told('Webhook deleted', send(client.DELETE('/api/v1/tenants/{tenant}/webhooks/{webhook}', { params })))
        }
      />
      {secret && (
        <ShownOnceDialog
          what="signing key"
          label="Copy key"
          title="The signing key"
          value={secret}
          lead="Give it to the receiver within one day. It cannot be shown again, only rotated."
          onClose={() => {
            setSecret(null)
            router.refresh()
          }}
        />
      )}
    </>
  )
}
