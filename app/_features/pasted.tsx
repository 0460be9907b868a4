'use client'
import { ClipboardPaste, RefreshCw } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { aliasFault, aliasHint, type ProviderChoice, Relink } from '@/app/_features/link.tsx'
import { useAction } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ConfirmFirst } from '@/app/_ui/confirm-first.tsx'
import { Input, Select } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Where a token may be pasted in place of a consent; what one is called there, and where it is found. */
export type PasteChoice = ProviderChoice & { title: string; hint: string }

type PasteProps = {
  tenant: string
  providers: PasteChoice[]
  /** The connection that another token is for. */
  connection?: string
  label?: string
  size?: ButtonProps['size']
}

/** Opens the form for a token that somebody has already. */
export function PasteToken({ tenant, providers, connection, label = 'Paste a token', size }: PasteProps) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button size={size} onClick={() => setOpen(true)}>
        <ClipboardPaste aria-hidden />
        {label}
      </Button>
      {open && <PasteDialog {...{ tenant, providers, connection }} onClose={() => setOpen(false)} />}
    </>
  )
}

type DialogProps = { tenant: string; providers: PasteChoice[]; connection?: string | undefined; onClose: () => void }

function PasteDialog({ tenant, providers, connection, onClose }: DialogProps) {
  const router = useRouter()
  const [providerId, setProviderId] = useState(providers[0]?.id ?? '')
  const [token, setToken] = useState('')
  const [alias, setAlias] = useState('')
  const [checked, setChecked] = useState(false)
  const { busy, problem, start } = useAction(async () => {
    const body = {
      provider: providerId,
      token: token.trim(),
      ...(alias && { alias }),
      ...(connection && { connection }),
    }
    const sent = await send(client.POST('/api/v1/tenants/{tenant}/connections', { params: { path: { tenant } }, body }))
    if (sent.ok) leave(sent.data.project?.id)
    return sent
  })
  const leave = (project: string | undefined) => {
    setToken('')
    say('Token taken')
    onClose()
    if (connection || !project) router.refresh()
    else router.push(`/t/${tenant}/projects/${project}`)
  }
  const provider = providers.find(({ id }) => id === providerId)
  const faults = {
    token: /^[!-~]{8,500}$/.test(token.trim()) ? undefined : 'Paste the token alone, without blanks.',
    alias: alias === '' ? undefined : aliasFault(alias),
  }
  return (
    <FormDialog
      title={`Paste a ${provider?.title ?? 'token'}`}
      lead="For a project that you cannot link with your account. The upstream is asked about the token at once; it is kept encrypted and never shown again."
      submitLabel="Check and keep"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => {
        setChecked(true)
        if (!faults.token && !faults.alias) void start()
      }}
    >
      <ConfirmFirst />
      {providers.length > 1 ? (
        <Select
          label="Provider"
          value={providerId}
          onChange={(event) => setProviderId(event.target.value)}
          options={providers.map(({ id, name, host }) => ({ value: id, label: `${name} · ${host}` }))}
        />
      ) : (
        <p>
          <span className="font-semibold">{provider?.name}</span>{' '}
          <span className="wrap-anywhere text-muted">{provider?.host}</span>
        </p>
      )}
      <Input
        label={provider?.title ?? 'Token'}
        type="password"
        hint={provider?.hint}
        error={checked ? faults.token : undefined}
        autoComplete="new-password"
        autoCapitalize="none"
        spellCheck={false}
        value={token}
        onChange={(event) => setToken(event.target.value)}
      />
      {!connection && (
        <Input
          label="Alias"
          optional
          hint={`${aliasHint} If empty, it is derived from the project’s name.`}
          error={checked ? faults.alias : undefined}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={alias}
          onChange={(event) => setAlias(event.target.value)}
        />
      )}
    </FormDialog>
  )
}

type OfConnection = { tenant: string; connection: string }

/** What a limited token cannot do, until its owner wants to read it no more (K-33). */
export function LacksNotice({
  tenant,
  connection,
  provider,
  title,
  lacks,
}: OfConnection & { provider: string; title: string; lacks: string }) {
  return (
    <Notice
      tone="attention"
      title={`This connection stands on a pasted ${title}`}
      meaning={lacks}
      action={
        <>
          <Relink
            tenant={tenant}
            providerId={provider}
            connectionId={connection}
            label="Link with your account"
            variant="secondary"
            size="sm"
          />
          <Warn tenant={tenant} connection={connection} warn={false} label="Don’t warn again" />
        </>
      }
    />
  )
}

/** Switches the warning off, or on again. */
export function Warn({ tenant, connection, warn, label }: OfConnection & { warn: boolean; label: string }) {
  const router = useRouter()
  const { busy, problem, start } = useAction(() =>
    send(
      client.PATCH('/api/v1/tenants/{tenant}/connections/{connection}/pasted-token', {
        params: { path: { tenant, connection } },
        body: { warning: warn },
      }),
    ),
  )
  const press = async () => {
    if (!(await start())) return
    say(warn ? 'You are warned again' : 'You are not warned again here')
    router.refresh()
  }
  return (
    <>
      <Button size="sm" busy={busy} onClick={() => void press()}>
        {label}
      </Button>
      <ProblemNotice problem={problem} />
    </>
  )
}

/** Replaces the value at the upstream, after saying what that does. */
export function RotateNow({ tenant, connection, title }: OfConnection & { title: string }) {
  const router = useRouter()
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button size="sm" onClick={() => setAsking(true)}>
        <RefreshCw aria-hidden />
        Rotate…
      </Button>
      <ConfirmDialog
        open={asking}
        onOpenChange={setAsking}
        title={`Rotate this ${title}`}
        lead="The upstream gives it another value, which Valetkey alone knows. Whoever else uses the present value is locked out at once: other programs, scripts, colleagues."
        confirmLabel="Rotate"
        onConfirm={async () => {
          const sent = await send(
            client.POST('/api/v1/tenants/{tenant}/connections/{connection}/pasted-token/rotation', {
              params: { path: { tenant, connection } },
              body: {},
            }),
          )
          if (sent.ok) say('Rotated')
          router.refresh()
          return sent
        }}
      />
    </>
  )
}

const everyDays = [1, 7, 30, 90, 180, 365]

/** How often that happens by itself. */
export function RotationSchedule({ tenant, connection, days }: OfConnection & { days: number | null }) {
  const router = useRouter()
  const [value, setValue] = useState(days === null ? '' : String(days))
  const { busy, problem, start } = useAction(() =>
    send(
      client.PATCH('/api/v1/tenants/{tenant}/connections/{connection}/pasted-token', {
        params: { path: { tenant, connection } },
        body: { rotate_days: value === '' ? null : Number(value) },
      }),
    ),
  )
  const choices = [...new Set([...everyDays, ...(days === null ? [] : [days])])].sort((a, b) => a - b)
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={async (event) => {
        event.preventDefault()
        if (!(await start())) return
        say('Schedule saved')
        router.refresh()
      }}
    >
      <Select
        label="Rotate by itself"
        hint="Only if nobody else uses this token: each rotation ends the value before."
        value={value}
        onChange={(event) => setValue(event.target.value)}
        options={[
          { value: '', label: 'Never' },
          ...choices.map((each) => ({ value: String(each), label: each === 1 ? 'Every day' : `Every ${each} days` })),
        ]}
      />
      <div>
        <Button type="submit" size="sm" busy={busy} disabled={value === (days === null ? '' : String(days))}>
          Save schedule
        </Button>
      </div>
      <ProblemNotice problem={problem} />
    </form>
  )
}
