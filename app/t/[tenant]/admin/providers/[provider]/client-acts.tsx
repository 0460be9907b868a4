'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { Notice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

type Provider = {
  id: string
  name: string
  by: 'secret' | 'key' | 'shared key' | 'nothing' | null
  hasPrevious: boolean
}
type Change = { client_secret?: string; rotate_client_key?: true; drop_previous_secret?: true }
type Trial = 'known' | 'untold'

const outcomes = {
  known: ['info', 'The upstream knows the new secret', 'It is the current one from now on.'],
  untold: [
    'attention',
    'The new secret is saved, but the upstream did not say whether it knows it',
    'It is the current one from now on. Run the check to see whether it works.',
  ],
} as const satisfies Record<Trial, [tone: 'info' | 'attention', title: string, meaning: string]>

/** In place of {@link outcomes}: one key is sent, and the next call shows whether the server takes it. */
const sharedOutcome = ['info', 'The new key is saved', 'Calls bring it from the next one on.'] as const

/** Another secret or key beside the present one, and the former one dropped. */
export function ClientActs({ tenant, provider }: { tenant: string; provider: Provider }) {
  const router = useRouter()
  const [act, setAct] = useState<'replace' | 'rotate' | 'drop' | null>(null)
  const [trial, setTrial] = useState<Trial | null>(null)
  const { by, hasPrevious, name } = provider
  const isShared = by === 'shared key'
  const thing = by === 'key' || isShared ? 'key' : 'secret'
  const close = () => setAct(null)

  async function change(body: Change, done: string) {
    const params = { path: { tenant, provider: provider.id } }
    const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/providers/{provider}', { params, body }))
    if (sent.ok) {
      setTrial(sent.data.secret_trial)
      say(done)
      router.refresh()
    }
    return sent
  }
  const outcome = trial && (isShared ? sharedOutcome : outcomes[trial])
  return (
    <>
      {outcome && (
        <Notice
          live
          tone={outcome[0]}
          title={outcome[1]}
          meaning={outcome[2]}
          next={
            hasPrevious &&
            !isShared &&
            'The previous secret is still accepted. Drop it when you have deleted it at the upstream.'
          }
        />
      )}
      <div className="flex flex-wrap gap-2 empty:hidden">
        {(by === 'secret' || isShared) && <Button onClick={() => setAct('replace')}>Replace {thing}…</Button>}
        {by === 'key' && <Button onClick={() => setAct('rotate')}>Rotate key…</Button>}
        {hasPrevious && <Button onClick={() => setAct('drop')}>Drop previous {thing}…</Button>}
      </div>
      {act === 'replace' && (
        <ReplaceSecret
          {...(isShared
            ? {
                title: `Replace the key of ${name}`,
                lead: 'Everybody’s calls bring the new one from the next call on. Whether the server takes it shows then: run the check.',
                label: 'New key',
                submit: 'Replace key',
              }
            : {
                title: `Replace the client secret of ${name}`,
                lead: 'First make a second secret at the upstream. It is tried there before anything is changed here, and the present one still counts until you drop it.',
                label: 'New client secret',
                submit: 'Try and replace',
              })}
          onClose={close}
          onSave={(secret) => change({ client_secret: secret }, isShared ? 'Key replaced' : 'Client secret replaced')}
        />
      )}
      <ConfirmDialog
        open={act === 'rotate'}
        onOpenChange={close}
        tone="primary"
        title={`Rotate the key of ${name}`}
        lead={`A new key is made, and both public keys are published. Where the upstream has not read the new one yet, the present one is used.${hasPrevious ? ' The key from before the last rotation is dropped.' : ''}`}
        confirmLabel="Rotate key"
        onConfirm={() => change({ rotate_client_key: true }, 'Client key rotated')}
      />
      <ConfirmDialog
        open={act === 'drop'}
        onOpenChange={close}
        title={`Drop the previous ${thing} of ${name}`}
        lead={
          isShared
            ? 'Calls bring the current key already. The one before it is kept no longer.'
            : `Only the current ${thing} counts then. If the upstream does not know it, renewals stop until you correct it: run the check first.`
        }
        confirmLabel={`Drop previous ${thing}`}
        onConfirm={() => change({ drop_previous_secret: true }, `Previous ${thing} dropped`)}
      />
    </>
  )
}

type ReplaceProps = {
  title: string
  lead: string
  label: string
  submit: string
  onClose: () => void
  onSave: (secret: string) => ReturnType<Parameters<typeof useAction>[0]>
}

function ReplaceSecret({ title, lead, label, submit, onClose, onSave }: ReplaceProps) {
  const [secret, setSecret] = useState('')
  const { busy, problem, start } = useAction(onSave)

  async function save() {
    if (await start(secret)) onClose()
  }
  return (
    <FormDialog
      title={title}
      lead={lead}
      submitLabel={submit}
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void save()}
    >
      <ConfirmFirst />
      <Input
        label={label}
        type="password"
        required
        hint="Stored encrypted and never shown again."
        autoComplete="new-password"
        spellCheck={false}
        value={secret}
        onChange={(event) => setSecret(event.target.value)}
      />
    </FormDialog>
  )
}
