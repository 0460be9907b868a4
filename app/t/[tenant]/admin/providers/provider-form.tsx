'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { type FormEvent, type ReactNode, useId, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Dialog } from '@/app/_ui/dialog.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Values = {
  name: string
  issuer: string
  clientId: string
  clientSecret: string
  capMinutes: string
  idleDays: string
}
const blank: Values = { name: '', issuer: '', clientId: '', clientSecret: '', capMinutes: '', idleDays: '30' }

/** Adds a stack; the redirect URI to register is shown in the list afterwards. */
export function AddProvider({ tenant }: { tenant: string }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Add provider
      </Button>
      {open && (
        <ProviderDialog
          title="Add a Keboola stack"
          lead="First register Valetkey there as a client. After you save, this page shows the redirect URI to register."
          submitLabel="Add provider"
          values={blank}
          done="Provider added"
          onClose={() => setOpen(false)}
          onSave={({ name, issuer, clientId, clientSecret, capMinutes, idleDays }) =>
            send(
              client.POST('/api/v1/tenants/{tenant}/providers', {
                params: { path: { tenant } },
                body: {
                  kind: 'keboola',
                  name,
                  issuer,
                  client_id: clientId,
                  client_secret: clientSecret,
                  ...(capMinutes && { max_lifetime_seconds: Number(capMinutes) * 60 }),
                  refresh_token_days: Number(idleDays),
                },
              }),
            )
          }
        />
      )}
    </>
  )
}

export type EditableProvider = {
  id: string
  name: string
  clientId: string
  hasSecret: boolean
  maxLifetimeSeconds: number | null
  refreshTokenDays: number
}

/** Changes name, client or cap. The address never changes: links belong to it. */
export function EditProvider({ tenant, provider }: { tenant: string; provider: EditableProvider }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size="sm" aria-label={`Edit ${provider.name}`} onClick={() => setOpen(true)}>
        Edit
      </Button>
      {open && (
        <ProviderDialog
          title={`Edit ${provider.name}`}
          lead="You cannot change the address, because connections depend on it. Add another provider instead."
          submitLabel="Save"
          existing={provider}
          values={{
            ...blank,
            name: provider.name,
            clientId: provider.clientId,
            idleDays: String(provider.refreshTokenDays),
            capMinutes: provider.maxLifetimeSeconds ? String(Math.round(provider.maxLifetimeSeconds / 60)) : '',
          }}
          done="Provider saved"
          onClose={() => setOpen(false)}
          onSave={({ name, clientId, clientSecret, capMinutes, idleDays }) =>
            send(
              client.PATCH('/api/v1/tenants/{tenant}/providers/{provider}', {
                params: { path: { tenant, provider: provider.id } },
                body: {
                  name,
                  client_id: clientId,
                  ...(clientSecret && { client_secret: clientSecret }),
                  max_lifetime_seconds: capMinutes ? Number(capMinutes) * 60 : null,
                  refresh_token_days: Number(idleDays),
                },
              }),
            )
          }
        />
      )}
    </>
  )
}

type DialogProps = {
  title: string
  lead: ReactNode
  submitLabel: string
  done: string
  values: Values
  existing?: Pick<EditableProvider, 'hasSecret'>
  onClose: () => void
  onSave: (values: Values) => Promise<ActionResult>
}

function ProviderDialog({ title, lead, submitLabel, done, values: given, existing, onClose, onSave }: DialogProps) {
  const router = useRouter()
  const form = useId()
  const [values, setValues] = useState(given)
  const { busy, problem, start } = useAction(onSave)
  const field = (name: keyof Values) => ({
    value: values[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
    autoComplete: 'off',
    spellCheck: false,
  })
  const clientChanged = existing && (values.clientId !== given.clientId || values.clientSecret !== '')

  async function save(event: FormEvent) {
    event.preventDefault()
    if (!(await start(values))) return
    say(done)
    router.refresh()
    onClose()
  }
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={title}
      lead={lead}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={busy}>
            {submitLabel}
          </Button>
        </>
      }
    >
      <form id={form} className="flex flex-col gap-4" onSubmit={save}>
        <Input label="Name" hint="Shown to people in this tenant." required maxLength={80} {...field('name')} />
        {!existing && (
          <Input
            label="Address"
            hint="The address of the stack, without a path."
            type="url"
            required
            placeholder="https://connection.example.com"
            {...field('issuer')}
          />
        )}
        <Input label="Client id" required {...field('clientId')} />
        <Input
          label="Client secret"
          type="password"
          required={!existing}
          optional={existing !== undefined}
          hint={
            existing
              ? `${existing.hasSecret ? 'One is set' : 'None is set'}. Leave this empty to make no change, or enter a new one.`
              : 'Stored encrypted and never shown again.'
          }
          {...field('clientSecret')}
          autoComplete="new-password"
        />
        <Input
          label="Longest token, in minutes"
          optional
          type="number"
          inputMode="numeric"
          min={1}
          max={1440}
          step={1}
          hint="The limit for tokens of this provider. If empty, the tenant’s limit applies."
          {...field('capMinutes')}
        />
        <Input
          label="Unused connection expires after, in days"
          type="number"
          inputMode="numeric"
          required
          min={1}
          max={3650}
          step={1}
          hint="The upstream drops a connection after this many days without a renewal. Valetkey renews idle connections well before that."
          {...field('idleDays')}
        />
        {clientChanged && (
          <Notice
            tone="attention"
            title="You changed the client"
            meaning="Connections made with the current client may stop renewing. Change it only together with the registration at the upstream."
          />
        )}
        <ProblemNotice problem={problem} />
      </form>
    </Dialog>
  )
}
