'use client'
import { useRouter } from 'next/navigation'
import { type ReactNode, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { KindView, ProviderView } from '@/lib/broker/providers.ts'
import { changedSettings, SettingInputs, typedSettings } from './setting-inputs.tsx'

type Values = {
  name: string
  clientId: string
  clientSecret: string
  capMinutes: string
  revokesAtEnd: boolean
  /** By their names on the wire. */
  settings: Record<string, string>
}
const blank = { name: '', clientId: '', clientSecret: '', capMinutes: '' }

/** What the kind of a provider lets an admin set, each with its present value or its default. */
type Settings = KindView['settings']

export type EditableProvider = {
  id: string
  name: string
  clientId: string
  hasSecret: boolean
  clientAuthentication: ProviderView['clientAuthentication']
  maxLifetimeSeconds: number | null
  overLife: ProviderView['overLife']
  decidesLife: boolean
  /** Without an upstream, so there is no client. */
  own: boolean
  /** None where its kind is not known here. */
  settings: Settings
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
          lead={
            provider.own
              ? 'The issuer is your tenant’s own and never changes.'
              : 'You cannot change the address, because connections depend on it. Add another provider instead.'
          }
          submitLabel="Save"
          existing={provider}
          settings={provider.settings}
          values={{
            ...blank,
            name: provider.name,
            clientId: provider.clientId,
            settings: typedSettings(provider.settings),
            capMinutes: provider.maxLifetimeSeconds ? String(Math.round(provider.maxLifetimeSeconds / 60)) : '',
            revokesAtEnd: provider.overLife === 'revoke_at_end',
          }}
          done="Provider saved"
          onClose={() => setOpen(false)}
          onSave={({ name, clientId, clientSecret, capMinutes, revokesAtEnd, settings }) =>
            send(
              client.PATCH('/api/v1/tenants/{tenant}/providers/{provider}', {
                params: { path: { tenant, provider: provider.id } },
                body: {
                  name,
                  ...(!provider.own && { client_id: clientId }),
                  ...(clientSecret && { client_secret: clientSecret }),
                  max_lifetime_seconds: capMinutes ? Number(capMinutes) * 60 : null,
                  // Left alone, it stays what it is: nothing said, or refused.
                  ...(revokesAtEnd !== (provider.overLife === 'revoke_at_end') && {
                    over_life: revokesAtEnd ? 'revoke_at_end' : null,
                  }),
                  settings: changedSettings(provider.settings, settings),
                },
              }),
            )
          }
        />
      )}
    </>
  )
}

/** Whether tokens that their upstream lets live longer than the limit may be handed out. */
export function OverLifeBox({ checked, onChange }: { checked: boolean; onChange: (checked: boolean) => void }) {
  return (
    <Checkbox
      label="Hand out tokens that live longer upstream, and revoke them at the chosen end"
      hint="Only where one token can be revoked without ending the connection. Otherwise such a token is not handed out."
      checked={checked}
      onChange={(event) => onChange(event.target.checked)}
    />
  )
}

type DialogProps = {
  title: string
  lead: ReactNode
  submitLabel: string
  done: string
  values: Values
  settings: Settings
  existing: Pick<EditableProvider, 'hasSecret' | 'clientAuthentication' | 'decidesLife' | 'own'>
  onClose: () => void
  onSave: (values: Values) => Promise<ActionResult>
}

function ProviderDialog({ title, lead, submitLabel, done, values: given, ...props }: DialogProps) {
  const { settings, existing, onClose, onSave } = props
  const router = useRouter()
  const [values, setValues] = useState(given)
  const { busy, problem, start } = useAction(onSave)
  const field = (name: keyof typeof blank) => ({
    value: values[name],
    onChange: (event: { target: { value: string } }) => setValues({ ...values, [name]: event.target.value }),
    autoComplete: 'off',
    spellCheck: false,
  })
  const clientChanged = values.clientId !== given.clientId || values.clientSecret !== ''

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
      <Input label="Name" hint="Shown to people in this tenant." required maxLength={80} {...field('name')} />
      {!existing.own && <Input label="Client id" required {...field('clientId')} />}
      {existing.clientAuthentication === 'secret' && (
        <Input
          label="Client secret"
          type="password"
          optional
          hint={`${existing.hasSecret ? 'One is set' : 'None is set'}. Leave this empty to make no change, or enter a new one.`}
          {...field('clientSecret')}
          autoComplete="new-password"
        />
      )}
      <Input
        label="Longest token lifetime, in minutes"
        optional
        type="number"
        inputMode="numeric"
        min={1}
        max={1440}
        step={1}
        hint="The limit for tokens of this provider. If empty, the tenant’s limit applies."
        {...field('capMinutes')}
      />
      {existing.decidesLife && (
        <OverLifeBox
          checked={values.revokesAtEnd}
          onChange={(revokesAtEnd) => setValues({ ...values, revokesAtEnd })}
        />
      )}
      <SettingInputs
        settings={settings}
        values={values.settings}
        onChange={(changed) => setValues({ ...values, settings: changed })}
      />
      {clientChanged && (
        <Notice
          tone="attention"
          title="You changed the client"
          meaning="Connections made with the current client may stop renewing. Change it only together with the registration at the upstream."
        />
      )}
    </FormDialog>
  )
}
