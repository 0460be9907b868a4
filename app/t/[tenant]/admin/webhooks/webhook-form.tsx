'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { ShownOnceDialog } from '@/app/_ui/shown-once-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Adds a webhook and shows its signing key, once. */
export function AddWebhook({ tenant }: { tenant: string }) {
  const router = useRouter()
  const [open, setOpen] = useState(false)
  const [secret, setSecret] = useState<string | null>(null)
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Add webhook
      </Button>
      {open && (
        <AddressDialog
          title="Add a webhook"
          lead="It gets a message when a connection in this tenant changes."
          submitLabel="Add webhook"
          url=""
          onClose={() => setOpen(false)}
          onSave={async (url) => {
            const sent = await send(
              client.POST('/api/v1/tenants/{tenant}/webhooks', { params: { path: { tenant } }, body: { url } }),
            )
            if (sent.ok) {
              setOpen(false)
              setSecret(sent.data.secret)
            }
            return sent
          }}
        />
      )}
      {secret && (
        <ShownOnceDialog
          what="signing key"
          label="Copy key"
          title="The signing key"
          value={secret}
          lead="Give it to the receiver now: it verifies messages with this key. The key cannot be shown again, only rotated."
          onClose={() => {
            setSecret(null)
            router.refresh()
          }}
        />
      )}
    </>
  )
}

type EditProps = { tenant: string; webhook: { id: string; url: string; host: string }; onClose: () => void }

/** Another address; key and messages stay. */
export function EditWebhook({ tenant, webhook, onClose }: EditProps) {
  const router = useRouter()
  return (
    <AddressDialog
      title={`Change ${webhook.host}`}
      lead="The signing key does not change. Waiting messages go to the new address."
      submitLabel="Save"
      url={webhook.url}
      onClose={onClose}
      onSave={async (url) => {
        const params = { path: { tenant, webhook: webhook.id } }
        const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/webhooks/{webhook}', { params, body: { url } }))
        if (sent.ok) {
          say('Webhook saved')
          router.refresh()
          onClose()
        }
        return sent
      }}
    />
  )
}

type DialogProps = {
  title: string
  lead: string
  submitLabel: string
  url: string
  onClose: () => void
  onSave: (url: string) => Promise<ActionResult>
}

function AddressDialog({ title, lead, submitLabel, url: given, onClose, onSave }: DialogProps) {
  const [url, setUrl] = useState(given)
  const { busy, problem, start } = useAction(onSave)
  return (
    <FormDialog
      title={title}
      lead={lead}
      submitLabel={submitLabel}
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void start(url.trim())}
    >
      <Input
        label="Address"
        hint="Accepts POST over https. Redirects are not followed."
        type="url"
        required
        maxLength={2000}
        placeholder="https://hooks.example.com/valetkey"
        autoComplete="off"
        spellCheck={false}
        value={url}
        onChange={(event) => setUrl(event.target.value)}
      />
    </FormDialog>
  )
}
