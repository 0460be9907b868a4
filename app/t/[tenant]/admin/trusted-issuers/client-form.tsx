'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { ScopeList } from '@/app/_features/scope-list.tsx'
import { scopeChoices } from '@/app/_features/scope-words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { Scope } from '@/lib/actor.ts'

type Values = { clientId: string; name: string; scopes: Scope[] }

/** Lists a client. */
export function AddClient({ tenant, issuer }: { tenant: string; issuer: { id: string; name: string } }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size="sm" aria-label={`Add a client of ${issuer.name}`} onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Add client
      </Button>
      {open && (
        <ClientDialog
          title={`Add a client of ${issuer.name}`}
          lead="It may do this for members whose access tokens it brings, and never more than their role allows."
          submitLabel="Add client"
          done="Client added"
          values={{ clientId: '', name: '', scopes: [] }}
          onClose={() => setOpen(false)}
          onSave={({ clientId, name, scopes }) =>
            send(
              client.POST('/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients', {
                params: { path: { tenant, trusted_issuer: issuer.id } },
                body: { client_id: clientId.trim(), name, scopes },
              }),
            )
          }
        />
      )}
    </>
  )
}

type MenuProps = { tenant: string; issuer: string; client: Values & { id: string } }

/** What a client may do, and its end. */
export function ClientMenu({ tenant, issuer, client: listed }: MenuProps) {
  const router = useRouter()
  const [act, setAct] = useState<'change' | 'remove' | null>(null)
  const params = { path: { tenant, trusted_issuer: issuer, trusted_client: listed.id } }
  const close = () => setAct(null)
  return (
    <>
      <DropdownMenu
        label={`Actions for ${listed.name}`}
        items={[
          { label: 'Change…', onSelect: () => setAct('change') },
          { label: 'Remove…', danger: true, onSelect: () => setAct('remove') },
        ]}
      />
      {act === 'change' && (
        <ClientDialog
          title={`Change ${listed.name}`}
          lead="What you save counts from the next request on."
          submitLabel="Save"
          done="Client saved"
          values={listed}
          isListed
          onClose={close}
          onSave={({ name, scopes }) =>
            send(
              client.PATCH('/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients/{trusted_client}', {
                params,
                body: { name, scopes },
              }),
            )
          }
        />
      )}
      <ConfirmDialog
        open={act === 'remove'}
        onOpenChange={close}
        title={`Remove ${listed.name}`}
        lead="Tokens that it brings are refused from the next request on. Tokens that it issued here before stay until they end or are revoked."
        confirmLabel="Remove client"
        onConfirm={async () => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients/{trusted_client}', {
              params,
            }),
          )
          if (sent.ok) {
            say('Client removed')
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}

type DialogProps = {
  title: string
  lead: string
  submitLabel: string
  done: string
  values: Values
  isListed?: boolean
  onClose: () => void
  onSave: (values: Values) => Promise<Sent<unknown>>
}

function ClientDialog({
  title,
  lead,
  submitLabel,
  done,
  values: given,
  isListed = false,
  onClose,
  onSave,
}: DialogProps) {
  const router = useRouter()
  const [values, setValues] = useState<Values>(given)
  const { busy, problem, start } = useAction(onSave)
  const field = (name: 'clientId' | 'name') => ({
    value: values[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
    autoComplete: 'off',
    spellCheck: false,
  })

  async function save() {
    if (!(await start(values))) return
    say(done)
    router.refresh()
    onClose()
  }
  return (
    <FormDialog
      title={title}
      lead={lead}
      submitLabel={submitLabel}
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      {!isListed && (
        <Input
          label="Client id"
          hint="As the issuer’s tokens name it in azp or client_id."
          required
          maxLength={200}
          {...field('clientId')}
        />
      )}
      <Input label="Name" hint="What people here know it by." required maxLength={80} {...field('name')} />
      <ScopeList
        label="May do here"
        hint="The scopes in its tokens play no part. Without any of these it may do nothing."
        scopes={scopeChoices}
        value={values.scopes}
        onChange={(names) => setValues({ ...values, scopes: names as Scope[] })}
      />
    </FormDialog>
  )
}
