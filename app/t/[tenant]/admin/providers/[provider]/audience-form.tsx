'use client'
import { Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, type Sent, send } from '@/app/_features/client.ts'
import { aliasFault, aliasHint } from '@/app/_features/link.tsx'
import { plural } from '@/app/_features/words.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { Input, RadioCards, Select } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { Rows } from '@/app/_ui/rows.tsx'
import { utcText } from '@/app/_ui/time-text.ts'
import { say } from '@/app/_ui/toaster.tsx'
import type { OwnSettings } from '@/lib/providers/own/settings.ts'

type Audience = {
  id: string
  name: string
  audience: string
  alias: string
  settings: OwnSettings
  maxLifetimeSeconds: number | null
  tokensOut: number
}

type Values = {
  audience: string
  name: string
  alias: string
  offline: boolean
  scopes: OwnSettings['scopes']
  capMinutes: string
}

const blankScope: OwnSettings['scopes'][number] = { name: '', text: '', risk: 'low' }

/** What is kept, out of what was typed. */
const settingsOf = ({ scopes, offline }: Values) => ({
  scopes: scopes.map(({ name, text, risk }) => ({ name: name.trim(), text: text.trim(), risk })),
  offline,
})

/** Adds an API that members issue tokens for. */
export function AddAudience({ tenant }: { tenant: string }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="primary" size="sm" onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        Add audience
      </Button>
      {open && (
        <AudienceDialog
          title="Add an audience"
          lead="An API of your organisation. Every member sees it, and issues tokens for it as far as policy allows."
          submitLabel="Add audience"
          done="Audience added"
          values={{ audience: '', name: '', alias: '', offline: false, scopes: [blankScope], capMinutes: '' }}
          onClose={() => setOpen(false)}
          onSave={(values) =>
            send(
              client.POST('/api/v1/tenants/{tenant}/audiences', {
                params: { path: { tenant } },
                body: {
                  audience: values.audience.trim(),
                  name: values.name,
                  alias: values.alias.trim(),
                  settings: settingsOf(values),
                  ...(values.capMinutes && { max_lifetime_seconds: Number(values.capMinutes) * 60 }),
                },
              }),
            )
          }
        />
      )}
    </>
  )
}

/** What its tokens may be given, and its end. */
export function AudienceMenu({ tenant, audience }: { tenant: string; audience: Audience }) {
  const router = useRouter()
  const [act, setAct] = useState<'change' | 'remove' | null>(null)
  const params = { path: { tenant, audience: audience.id } }
  const close = () => setAct(null)
  return (
    <>
      <DropdownMenu
        label={`Actions for ${audience.name}`}
        items={[
          { label: 'Change…', onSelect: () => setAct('change') },
          { label: 'Remove…', danger: true, onSelect: () => setAct('remove') },
        ]}
      />
      {act === 'change' && (
        <AudienceDialog
          title={`Change ${audience.name}`}
          lead="What you save counts for new tokens. Those that are out keep what they were given. The address never changes; the alias is changed on the project’s page."
          submitLabel="Save"
          done="Audience saved"
          existing
          values={{
            audience: audience.audience,
            name: audience.name,
            alias: audience.alias,
            offline: audience.settings.offline,
            scopes: audience.settings.scopes,
            capMinutes: audience.maxLifetimeSeconds ? String(Math.round(audience.maxLifetimeSeconds / 60)) : '',
          }}
          onClose={close}
          onSave={(values) =>
            send(
              client.PATCH('/api/v1/tenants/{tenant}/audiences/{audience}', {
                params,
                body: {
                  name: values.name,
                  settings: settingsOf(values),
                  max_lifetime_seconds: values.capMinutes ? Number(values.capMinutes) * 60 : null,
                },
              }),
            )
          }
        />
      )}
      <ConfirmDialog
        open={act === 'remove'}
        onOpenChange={close}
        title={`Remove ${audience.name}`}
        lead={`Nobody issues tokens for it any more, and ${audience.tokensOut > 0 ? `${plural(audience.tokensOut, 'live token')} of all members ${audience.tokensOut === 1 ? 'is' : 'are'} revoked` : 'no live token is out'}. Tokens that the API verifies by their signature keep working there until they expire.`}
        confirmLabel="Remove audience"
        reason="optional"
        onConfirm={async ({ reason }) => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/audiences/{audience}', {
              params,
              body: reason ? { reason } : {},
            }),
          )
          if (sent.ok) {
            const { revoked, latest_moment } = sent.data
            const until = latest_moment && `; signed ones work until ${utcText(Date.parse(latest_moment))}`
            say(`Audience removed${revoked > 0 ? `, ${plural(revoked, 'token')} revoked` : ''}${until ?? ''}`)
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
  existing?: boolean
  values: Values
  onClose: () => void
  onSave: (values: Values) => Promise<Sent<unknown>>
}

function AudienceDialog({ title, lead, submitLabel, done, existing, values: given, onClose, onSave }: DialogProps) {
  const router = useRouter()
  const [values, setValues] = useState(given)
  const { busy, problem, start } = useAction(onSave)
  const set = (changes: Partial<Values>) => setValues({ ...values, ...changes })
  const plain = { autoComplete: 'off', autoCapitalize: 'none', spellCheck: false }

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
      {!existing && (
        <Input
          label="Audience"
          hint="The address of the API, exactly as it expects it in aud."
          required
          maxLength={300}
          placeholder="https://reports.example.com"
          {...plain}
          value={values.audience}
          onChange={(event) => set({ audience: event.target.value })}
        />
      )}
      <Input
        label="Name"
        hint="Shown to people in this tenant."
        required
        maxLength={80}
        placeholder="Reports"
        autoComplete="off"
        value={values.name}
        onChange={(event) => set({ name: event.target.value })}
      />
      {!existing && (
        <Input
          label="Alias"
          hint={aliasHint}
          required
          error={values.alias === '' ? undefined : aliasFault(values.alias)}
          placeholder="reports"
          {...plain}
          value={values.alias}
          onChange={(event) => set({ alias: event.target.value })}
        />
      )}
      <RadioCards
        legend="How the API verifies a token"
        name="verified"
        value={values.offline ? 'offline' : 'asks'}
        onChange={(value) => set({ offline: value === 'offline' })}
        options={[
          {
            value: 'asks',
            label: 'It asks Valetkey',
            hint: 'The token is opaque. Revoked or frozen, it is dead at once.',
          },
          {
            value: 'offline',
            label: 'By its signature, offline',
            hint: 'The token is a signed JWT. It is fast and needs no request, but nothing stops it before it expires: keep its lifetime short.',
          },
        ]}
      />
      <Rows
        legend="Scopes"
        hint="What tokens may be given. None is chosen beforehand."
        noun="scope"
        rows={values.scopes}
        least={1}
        blank={blankScope}
        onChange={(scopes) => set({ scopes })}
      >
        {(scope, change) => (
          <>
            <Input
              label="Name"
              required
              maxLength={256}
              placeholder="reports:read"
              {...plain}
              value={scope.name}
              onChange={(event) => change({ ...scope, name: event.target.value })}
            />
            <Select
              label="Risk"
              value={scope.risk}
              onChange={(event) => change({ ...scope, risk: event.target.value as typeof scope.risk })}
              options={[
                { value: 'low', label: 'Low' },
                { value: 'medium', label: 'Medium' },
                { value: 'high', label: 'High' },
              ]}
            />
            <div className="sm:col-span-2">
              <Input
                label="Lets do"
                hint="In a few words, lower case."
                required
                maxLength={200}
                placeholder="read reports of your organisation"
                autoComplete="off"
                value={scope.text}
                onChange={(event) => change({ ...scope, text: event.target.value })}
              />
            </div>
          </>
        )}
      </Rows>
      <Input
        label="Longest token lifetime, in minutes"
        optional
        type="number"
        inputMode="numeric"
        min={1}
        max={1440}
        step={1}
        hint="If empty, the limit of the provider or the tenant applies."
        value={values.capMinutes}
        onChange={(event) => set({ capMinutes: event.target.value })}
      />
    </FormDialog>
  )
}
