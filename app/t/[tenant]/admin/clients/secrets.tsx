'use client'
import { KeyRound } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { RadioCards } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { ShownOnceDialog } from '@/app/_ui/shown-once-dialog.tsx'
import { Time } from '@/app/_ui/time.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { Grace } from '@/lib/tenancy/clients.ts'
import { graceWords } from './words.ts'

type Props = { tenant: string; client: { id: string; name: string; secrets: number } }

/** Gives a client another secret, shown once; who chooses it chooses how long the one before works. */
export function NewSecret({ tenant, client: registered }: Props) {
  const router = useRouter()
  const [open, setOpen] = useState(false)
  const [secret, setSecret] = useState<string | null>(null)
  return (
    <>
      <Button size="sm" aria-label={`New secret for ${registered.name}`} onClick={() => setOpen(true)}>
        <KeyRound aria-hidden />
        New secret
      </Button>
      {open && (
        <GraceDialog
          tenant={tenant}
          client={registered}
          onClose={() => setOpen(false)}
          onMade={(value) => {
            setOpen(false)
            setSecret(value)
          }}
        />
      )}
      {secret && (
        <ShownOnceDialog
          what="secret"
          label="Copy secret"
          title={`The secret of ${registered.name}`}
          lead="Give it to the program now. It is not stored and cannot be shown again, only replaced."
          value={secret}
          onClose={() => {
            setSecret(null)
            router.refresh()
          }}
        />
      )}
    </>
  )
}

function GraceDialog({
  tenant,
  client: { id, name, secrets },
  onClose,
  onMade,
}: Props & { onClose: () => void; onMade: (secret: string) => void }) {
  const [opened] = useState(() => Date.now())
  // A day, unless there is nothing that it could apply to, or no room for another one beside it.
  const [grace, setGrace] = useState<Grace>(secrets === 1 ? 86_400 : 0)
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/clients/{client}/secrets', {
        params: { path: { tenant, client: id } },
        body: { grace_seconds: grace },
      }),
    )
    if (sent.ok) onMade(sent.data.client_secret)
    return sent
  })
  const isFull = secrets > 1
  return (
    <FormDialog
      title={`New secret for ${name}`}
      lead={
        secrets === 0
          ? 'It has none that works. The new one is shown once.'
          : 'The new one is shown once and works at once. Sign-ins and tokens stay as they are.'
      }
      submitLabel="Create secret"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void start()}
    >
      {secrets > 0 && (
        <RadioCards
          legend={isFull ? 'The present secrets' : 'The present secret'}
          name="grace"
          value={String(grace)}
          onChange={(value) => setGrace(Number(value) as Grace)}
          options={Object.entries(graceWords).map(([value, label]) => ({
            value,
            label: isFull && value === '0' ? 'They stop at once' : label,
            disabled: isFull && value !== '0',
            hint: hintOf(Number(value), opened, isFull),
          }))}
        />
      )}
    </FormDialog>
  )
}

function hintOf(seconds: number, opened: number, isFull: boolean) {
  if (seconds === 0) return 'Choose this if somebody else may have it.'
  if (isFull) return 'Two secrets work already. End one of them first.'
  return (
    <>
      Until <Time at={new Date(opened + seconds * 1000).toISOString()} form="exact" />
    </>
  )
}

/** Ends one secret; the other one goes on. */
export function EndSecret({
  tenant,
  client: of,
  secret,
}: {
  tenant: string
  client: { id: string; name: string }
  secret: string
}) {
  const router = useRouter()
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size="sm" aria-label={`End a secret of ${of.name}`} onClick={() => setOpen(true)}>
        End
      </Button>
      <ConfirmDialog
        open={open}
        onOpenChange={setOpen}
        title={`End a secret of ${of.name}`}
        lead="A program that still uses it is refused from the next request on. What people gave the client stays."
        confirmLabel="End secret"
        onConfirm={async () => {
          const sent = await send(
            client.DELETE('/api/v1/tenants/{tenant}/clients/{client}/secrets/{client_secret}', {
              params: { path: { tenant, client: of.id, client_secret: secret } },
            }),
          )
          if (sent.ok) {
            say('Secret ended')
            router.refresh()
          }
          return sent
        }}
      />
    </>
  )
}
