'use client'
import { ExternalLink, Plus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { Input, Select } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'

export type ProviderChoice = {
  id: string
  name: string
  host: string
  flows?: { name: string; title: string; hint: string }[]
}

/** What an alias may be (the API says the same). */
export const aliasPattern = /^[a-z0-9][a-z0-9-]{0,62}$/
export const aliasHint = 'Lowercase letters, digits and hyphens. Scripts use it to name the project.'
export const aliasFault = (alias: string): string | undefined =>
  aliasPattern.test(alias) ? undefined : 'Use lowercase letters, digits and hyphens, and start with a letter or digit.'

type Start = { provider: string; alias?: string; connection?: string; flow?: string }

export async function startLink(tenant: string, body: Start): Promise<ActionResult> {
  const sent = await send(client.POST('/api/v1/tenants/{tenant}/attempts', { params: { path: { tenant } }, body }))
  if (sent.ok) leaveFor(sent.data.url)
  return sent
}

type LinkProjectProps = {
  tenant: string
  providers: ProviderChoice[]
  variant?: ButtonProps['variant']
  size?: ButtonProps['size']
  label?: string
}

/** Opens the question where to link from, then leaves for the upstream's consent page. */
export function LinkProject({
  tenant,
  providers,
  variant = 'primary',
  size,
  label = 'Link project',
}: LinkProjectProps) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant={variant} size={size} onClick={() => setOpen(true)}>
        <Plus aria-hidden />
        {label}
      </Button>
      {open && <LinkDialog tenant={tenant} providers={providers} onClose={() => setOpen(false)} />}
    </>
  )
}

type LinkDialogProps = { tenant: string; providers: ProviderChoice[]; onClose: () => void }

function LinkDialog({ tenant, providers, onClose }: LinkDialogProps) {
  const [providerId, setProviderId] = useState(providers[0]?.id ?? '')
  const [alias, setAlias] = useState('')
  const [checked, setChecked] = useState(false)
  const [way, setWay] = useState('')
  const { busy, problem, start } = useAction(startLink)
  const provider = providers.find((each) => each.id === providerId)
  const flow = provider?.flows?.find(({ name }) => name === way)
  const fault = alias === '' || flow ? undefined : aliasFault(alias)
  return (
    <FormDialog
      title="Link project"
      lead={
        flow
          ? 'At the upstream, sign in and approve access. You then return here and choose the projects. You have ten minutes.'
          : 'At the upstream, choose a project and approve access. You then return here. You have ten minutes.'
      }
      submitLabel={
        <>
          Continue to {provider?.name ?? 'the upstream'}
          <ExternalLink aria-hidden />
        </>
      }
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => {
        setChecked(true)
        if (fault) return
        void start(tenant, { provider: providerId, ...(flow ? { flow: flow.name } : alias && { alias }) })
      }}
    >
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
      {provider?.flows && provider.flows.length > 0 && (
        <Select
          label="How"
          hint={flow?.hint ?? 'You choose one project at the upstream.'}
          value={flow?.name ?? ''}
          onChange={(event) => setWay(event.target.value)}
          options={[
            { value: '', label: 'One project' },
            ...provider.flows.map(({ name, title }) => ({ value: name, label: title })),
          ]}
        />
      )}
      {!flow && (
        <Input
          label="Alias"
          optional
          hint={`${aliasHint} If empty, it is derived from the project’s name.`}
          error={checked ? fault : undefined}
          placeholder="sales-reporting"
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

type RelinkProps = {
  tenant: string
  providerId: string
  /** Reconnects this connection in place; without it, a new project is linked. */
  connectionId?: string
  /** A way to link of the provider's kind; without it, that of the connection or the ordinary one. */
  flow?: string
  label: string
  variant?: ButtonProps['variant']
  size?: ButtonProps['size']
}

/** Leaves for the consent page at once: everything is known already. */
export function Relink({
  tenant,
  providerId,
  connectionId,
  flow,
  label,
  variant = 'primary',
  size = 'sm',
}: RelinkProps) {
  const { busy, problem, start } = useAction(startLink)
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      <Button
        variant={variant}
        size={size}
        busy={busy}
        onClick={() =>
          void start(tenant, {
            provider: providerId,
            ...(connectionId && { connection: connectionId }),
            ...(flow && { flow }),
          })
        }
      >
        {label}
        <ExternalLink aria-hidden />
      </Button>
      <ProblemNotice problem={problem} />
    </div>
  )
}

/** Links what came back after all: as a new project, or under another alias. No second consent is needed. */
type AdoptProps = { tenant: string; attempt: string; needsAlias?: boolean; label?: string }

export function Adopt({ tenant, attempt, needsAlias = false, label }: AdoptProps) {
  const router = useRouter()
  const [alias, setAlias] = useState('')
  const fault = alias === '' ? undefined : aliasFault(alias)
  const { busy, problem, start } = useAction(async () => {
    const params = { path: { tenant, attempt } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/attempts/{attempt}/adopt', { params, body: alias ? { alias } : {} }),
    )
    if (sent.ok) router.push(`/t/${tenant}/projects/${sent.data.project}?linked=1`)
    return sent
  })
  return (
    <form
      className="flex flex-col items-stretch gap-3"
      onSubmit={(event) => {
        event.preventDefault()
        if (!fault && (alias || !needsAlias)) void start()
      }}
    >
      {needsAlias && (
        <Input
          label="Another alias"
          hint={aliasHint}
          error={fault}
          autoComplete="off"
          autoCapitalize="none"
          spellCheck={false}
          value={alias}
          onChange={(event) => setAlias(event.target.value)}
        />
      )}
      <Button
        type="submit"
        variant="primary"
        busy={busy}
        disabled={needsAlias && (alias === '' || fault !== undefined)}
      >
        {label ?? (needsAlias ? 'Link with this alias' : 'Link as a new project')}
      </Button>
      <ProblemNotice problem={problem} />
    </form>
  )
}
