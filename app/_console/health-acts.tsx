'use client'
import { Eye, Snowflake, Sun } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { type ReactNode, useLayoutEffect, useRef, useState } from 'react'
import { client, send } from '@/app/_console/client.ts'
import { healthWords } from '@/app/_console/words.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** A connection as questions about it name it. */
export type ConnectionRef = { id: string; name: string; owner: string; account: string }

/** Codes after which the page itself tells the new state, with another act. */
const ends = new Set(['needs_relink', 'connection_frozen', 'not_linked', 'not_found'])

type TryNowProps = { tenant: string; connection: string; size?: ButtonProps['size'] }

/** Renews at once, although the connection rests after a failure; what came of it shows in place. */
export function TryNow({ tenant, connection, size = 'sm' }: TryNowProps) {
  const router = useRouter()
  const { busy, problem, start } = useAction(async (): Promise<ActionResult> => {
    const params = { path: { tenant, connection } }
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/connections/{connection}/renewal', { params, body: {} }),
    )
    router.refresh()
    if (!sent.ok) {
      if (ends.has(sent.code)) say(sent.problem.title)
      return sent
    }
    const { status, cause } = sent.data
    if (status === 'linked') {
      say('Renewed: the connection works again')
      return sent
    }
    const meaning = healthWords({ status, cause }) ?? undefined
    return { ok: false, problem: { title: 'It could not be renewed now', ...(meaning && { meaning }), next: later } }
  })
  return (
    <FocusHeir>
      <Button variant="primary" size={size} busy={busy} onClick={() => void start()}>
        Try now
      </Button>
      <ProblemNotice problem={problem} />
    </FocusHeir>
  )
}

const later = 'Nothing is lost. Try again in a few minutes; if it stays, tell an admin.'

type FreezeProps = { tenant: string; connection: ConnectionRef; frozen: boolean }

/** Freezes a connection or lifts its freeze, after a question. */
export function FreezeButton({ size, variant, ...freeze }: FreezeProps & Pick<ButtonProps, 'size' | 'variant'>) {
  const [asking, setAsking] = useState(false)
  return (
    <FocusHeir>
      <Button size={size} variant={variant} onClick={() => setAsking(true)}>
        {freeze.frozen ? 'Lift freeze…' : 'Freeze…'}
      </Button>
      <FreezeDialog {...freeze} open={asking} onOpenChange={setAsking} />
    </FocusHeir>
  )
}

/** What can be done with one connection in a list: look, freeze or lift. Ending is done with the selection. */
export function ConnectionMenu({ freezable, ...freeze }: FreezeProps & { freezable: boolean }) {
  const { tenant, connection, frozen } = freeze
  const [asking, setAsking] = useState(false)
  const icon = frozen ? <Sun aria-hidden /> : <Snowflake aria-hidden />
  return (
    <>
      <DropdownMenu
        label={`Actions for ${connection.name} of ${connection.owner}`}
        items={[
          { label: 'Details', icon: <Eye aria-hidden />, href: `/t/${tenant}/connections/${connection.id}` },
          ...(freezable ? [{ label: frozen ? 'Lift freeze…' : 'Freeze…', icon, onSelect: () => setAsking(true) }] : []),
        ]}
      />
      <FreezeDialog {...freeze} open={asking} onOpenChange={setAsking} />
    </>
  )
}

type FreezeDialogProps = FreezeProps & { open: boolean; onOpenChange: (open: boolean) => void }

function FreezeDialog({ tenant, connection, frozen, open, onOpenChange }: FreezeDialogProps) {
  const router = useRouter()
  const { id, name, owner, account } = connection
  const params = { path: { tenant, connection: id } }
  const path = '/api/v1/tenants/{tenant}/connections/{connection}/freeze' as const
  async function freeze(reason: string): Promise<ActionResult> {
    const sent = await send(client.POST(path, { params, body: { ...(reason && { reason }) } }))
    if (sent.ok) say(`${name} is frozen`)
    return sent
  }
  async function lift(): Promise<ActionResult> {
    const sent = await send(client.DELETE(path, { params }))
    if (sent.ok) say(`The freeze of ${name} is lifted`)
    return sent
  }
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onOpenChange}
      title={frozen ? `Lift the freeze of ${name}` : `Freeze ${name}`}
      lead={
        frozen
          ? 'Tokens can be issued from it again, and it is renewed soon. Nothing of it was lost.'
          : 'Nothing is issued or renewed from it until the freeze is lifted. Tokens that are out work until they end: revoke those that must not. Its owner sees the reason.'
      }
      counts={[
        { label: 'Owner', value: owner },
        { label: 'Account', value: account },
      ]}
      tone="primary"
      reason={frozen ? undefined : 'optional'}
      confirmLabel={frozen ? 'Lift freeze' : 'Freeze connection'}
      onConfirm={async ({ reason }) => {
        const result = await (frozen ? lift() : freeze(reason))
        if (result.ok) router.refresh()
        return result
      }}
    />
  )
}

/** An act that may leave the page with the state it was for; the page's content then inherits the focus. */
function FocusHeir({ children }: { children: ReactNode }) {
  const box = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const node = box.current
    return () => {
      if (node?.contains(document.activeElement)) document.getElementById('content')?.focus()
    }
  }, [])
  return (
    <div ref={box} className="flex min-w-0 flex-col items-start gap-2">
      {children}
    </div>
  )
}
