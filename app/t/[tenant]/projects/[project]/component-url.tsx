'use client'
import { useRouter } from 'next/navigation'
import { type FormEvent, useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { Select } from '@/app/_ui/field.tsx'
import { Notice, ProblemNotice } from '@/app/_ui/notice.tsx'
import { SecretOnceDialog, useSecretOnce } from '@/app/_ui/secret-once-dialog.tsx'
import { SkeletonLine } from '@/app/_ui/skeleton.tsx'
import { useChoices } from './issue/pickers/choices.tsx'
import type { Choices } from './issue/pickers/picker.ts'

type Named = { id: string; name: string }
type Component = Named & { authorizes: boolean; configurations: Named[] }
type PageChoices = { components: Component[]; refused: string | null }
type Props = { tenant: string; project: string; name: string }

const labelOf = ({ id, name }: Named) => (name === id ? id : `${name} · ${id}`)

/** Makes the address where one configuration of a component is authorized. Its choices are read once somebody wants them. */
export function ComponentUrl(props: Props) {
  const [isWanted, setWanted] = useState(false)
  const choices = useChoices(props.tenant, props.project, isWanted)
  const isHydrated = useHydrated()
  if (!isWanted)
    return (
      <div>
        <Button disabled={!isHydrated} onClick={() => setWanted(true)}>
          Choose a component
        </Button>
      </div>
    )
  if (choices.state === 'loading')
    return (
      <div role="status" aria-label="Loading the components" className="flex flex-col gap-3">
        <SkeletonLine className="h-10 w-2/3" />
        <SkeletonLine className="h-10 w-2/3" />
      </div>
    )
  if (choices.state === 'failed')
    return (
      <ProblemNotice
        problem={choices.problem}
        action={
          <Button size="sm" onClick={choices.retry}>
            Try again
          </Button>
        }
      />
    )
  return <Chosen {...props} {...read(choices.choices)} />
}

/** Of an upstream's answer: what is not as expected is not there. */
function read({ components, refused }: Choices): PageChoices {
  return {
    components: Array.isArray(components) ? (components as Component[]) : [],
    refused: typeof refused === 'string' ? refused : null,
  }
}

function Chosen({ tenant, project, name, components, refused }: Props & PageChoices) {
  const router = useRouter()
  const [anyway, setAnyway] = useState(false)
  const shown = components.filter(
    ({ authorizes, configurations }) => (anyway || authorizes) && configurations.length > 0,
  )
  const [picked, setPicked] = useState({ component: '', configuration: '' })
  const component = shown.find(({ id }) => id === picked.component) ?? shown[0]
  const configuration =
    component?.configurations.find(({ id }) => id === picked.configuration) ?? component?.configurations[0]
  const secret = useSecretOnce()
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/projects/{project}/component-urls', {
        params: { path: { tenant, project } },
        body: { component: component?.id ?? '', configuration: configuration?.id ?? '', anyway },
      }),
    )
    if (!sent.ok) return sent
    const { url, token } = sent.data
    secret.show({
      value: url,
      what: 'address',
      title: `Authorize ${configuration?.name} in ${name}`,
      fingerprint: token.fingerprint ?? '',
      endsAt: token.expires_at,
      samples: [],
      note: (
        <p>
          Whoever owns the account signs in at this address. It holds a token for {component?.id} alone, which is in the
          list of your tokens: revoke it there to end the address.
        </p>
      ),
    })
    router.refresh()
    return sent
  })
  function submit(event: FormEvent) {
    event.preventDefault()
    void start()
  }

  if (refused !== null)
    return (
      <Notice
        tone="attention"
        title="No address can be made here"
        meaning={refused}
        next="Ask somebody with the role admin or share in that project."
      />
    )
  return (
    <form className="flex max-w-[720px] flex-col gap-4" onSubmit={submit}>
      {component && configuration ? (
        <>
          <Select
            label="Component"
            value={component.id}
            onChange={(event) => setPicked({ component: event.target.value, configuration: '' })}
            options={shown.map((one) => ({ value: one.id, label: labelOf(one) }))}
          />
          <Select
            label="Configuration"
            value={configuration.id}
            onChange={(event) => setPicked({ component: component.id, configuration: event.target.value })}
            options={component.configurations.map((one) => ({ value: one.id, label: labelOf(one) }))}
          />
        </>
      ) : (
        <p className="text-muted">
          {anyway
            ? 'This project has no configuration yet.'
            : 'No configuration of this project has a component that says that it is authorized with an account.'}
        </p>
      )}
      <Checkbox
        label="Every component"
        hint="Also those that do not say that they are authorized with an account."
        checked={anyway}
        onChange={(event) => setAnyway(event.target.checked)}
      />
      <ProblemNotice problem={problem} />
      <div>
        <Button type="submit" busy={busy} disabled={!configuration}>
          Make the address
        </Button>
      </div>
      <SecretOnceDialog {...secret.dialog} />
    </form>
  )
}
