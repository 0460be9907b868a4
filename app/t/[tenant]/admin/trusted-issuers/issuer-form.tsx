'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Values = {
  issuer: string
  name: string
  audience: string
  asks: boolean
  clientId: string
  clientSecret: string
  opaque: boolean
}
type Issuer = { id: string; name: string; audience: string; clientId: string | null; opaque: boolean }

/** Trusts one more issuer. */
export function TrustIssuer({ tenant, origin, suggested }: { tenant: string; origin: string; suggested: string }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Trust issuer
      </Button>
      {open && (
        <IssuerDialog
          title="Trust an issuer"
          lead="Its keys and endpoints are read from its own metadata. Afterwards you list the clients that may call this API."
          submitLabel="Trust issuer"
          done="Issuer trusted"
          origin={origin}
          values={{
            issuer: suggested,
            name: '',
            audience: origin,
            asks: false,
            clientId: '',
            clientSecret: '',
            opaque: false,
          }}
          onClose={() => setOpen(false)}
          onSave={({ issuer, name, audience, asks, clientId, clientSecret, opaque }) =>
            send(
              client.POST('/api/v1/tenants/{tenant}/trusted-issuers', {
                params: { path: { tenant } },
                body: {
                  issuer: issuer.trim(),
                  name,
                  audience: audience.trim(),
                  ...(asks && { client_id: clientId, client_secret: clientSecret, opaque }),
                },
              }),
            )
          }
        />
      )}
    </>
  )
}

/** How its tokens are judged, and its end. */
export function IssuerMenu({ tenant, origin, issuer }: { tenant: string; origin: string; issuer: Issuer }) {
  const router = useRouter()
  const [act, setAct] = useState<'change' | 'remove' | null>(null)
  const params = { path: { tenant, trusted_issuer: issuer.id } }
  const close = () => setAct(null)
  return (
    <>
      <DropdownMenu
        label={`Actions for ${issuer.name}`}
        items={[
          { label: 'Change…', onSelect: () => setAct('change') },
          { label: 'Remove…', danger: true, onSelect: () => setAct('remove') },
        ]}
      />
      {act === 'change' && (
        <IssuerDialog
          title={`Change ${issuer.name}`}
          lead="The issuer itself never changes. What you save counts from the next request on."
          submitLabel="Save"
          done="Issuer saved"
          origin={origin}
          values={{
            issuer: '',
            name: issuer.name,
            audience: issuer.audience,
            asks: issuer.clientId !== null,
            clientId: issuer.clientId ?? '',
            clientSecret: '',
            opaque: issuer.opaque,
          }}
          existing={issuer}
          onClose={close}
          onSave={({ name, audience, asks, clientId, clientSecret, opaque }) =>
            send(
              client.PATCH('/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}', {
                params,
                body: {
                  name,
                  audience: audience.trim(),
                  ...(asks
                    ? { client_id: clientId, ...(clientSecret && { client_secret: clientSecret }), opaque }
                    : { client_id: null }),
                },
              }),
            )
          }
        />
      )}
      <ConfirmDialog
        open={act === 'remove'}
        onOpenChange={close}
        title={`Remove ${issuer.name}`}
        lead="Its tokens are refused from the next request on, and its clients are forgotten. Tokens that programs issued here before stay until they end or are revoked."
        confirmLabel="Remove issuer"
        onConfirm={async () => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}', { params }),
          )
          if (sent.ok) {
            say('Issuer removed')
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
  origin: string
  values: Values
  existing?: Issuer
  onClose: () => void
  onSave: (values: Values) => Promise<Sent<unknown>>
}

function IssuerDialog({
  title,
  lead,
  submitLabel,
  done,
  origin,
  values: given,
  existing,
  onClose,
  onSave,
}: DialogProps) {
  const router = useRouter()
  const [values, setValues] = useState(given)
  const { busy, problem, start } = useAction(onSave)
  const field = (name: 'issuer' | 'name' | 'audience' | 'clientId' | 'clientSecret') => ({
    value: values[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
    autoComplete: 'off',
    spellCheck: false,
  })
  const isSecretKept =
    existing?.clientId !== undefined && existing.clientId === values.clientId && values.clientId !== ''

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
      <ConfirmFirst />
      {!existing && (
        <Input
          label="Issuer"
          hint="Exactly as its tokens name it in iss. Members must sign in here with the same issuer."
          type="url"
          required
          maxLength={300}
          placeholder="https://id.example.com/realms/acme"
          {...field('issuer')}
        />
      )}
      <Input label="Name" required maxLength={80} placeholder="Company Keycloak" {...field('name')} />
      <Input
        label="Audience"
        hint={`What a token must be for: ${origin}, or an address below it.`}
        required
        maxLength={300}
        {...field('audience')}
      />
      <Checkbox
        label="Also ask the issuer about each token"
        hint="Then a sign-out or a disabled account there counts here within a minute. Needs a client of ours there."
        checked={values.asks}
        onChange={(event) => setValues({ ...values, asks: event.target.checked })}
      />
      {values.asks && (
        <>
          <Input label="Client id" required maxLength={200} {...field('clientId')} />
          <Input
            label="Client secret"
            type="password"
            required={!isSecretKept}
            maxLength={500}
            {...(isSecretKept && { hint: 'Leave it empty to keep the present one.' })}
            {...field('clientSecret')}
          />
          <Checkbox
            label="Accept tokens that name no issuer"
            hint="For issuers whose access tokens are no JWTs. Only one issuer of a tenant is asked about those."
            checked={values.opaque}
            onChange={(event) => setValues({ ...values, opaque: event.target.checked })}
          />
        </>
      )}
    </FormDialog>
  )
}
