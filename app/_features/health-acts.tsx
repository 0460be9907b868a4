'use client'
import { Eye } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { FocusHeir } from '@/app/_features/focus-heir.tsx'
import { FreezeDialog, freezeItem } from '@/app/_features/freeze.tsx'
import { type ConnectionRef, freezeTargetOf } from '@/app/_features/freeze-target.ts'
import { healthWords } from '@/app/_features/words.ts'
import { type ActionResult, useAction } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { say } from '@/app/_ui/toaster.tsx'

/** Codes after which the page itself tells the new state, with another act. */
const ends = new Set(['needs_relink', 'frozen', 'not_linked', 'not_found'])

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
    const meaning = healthWords({ status, cause, frozen: null }) ?? undefined
    return { ok: false, problem: { title: 'The renewal failed', ...(meaning && { meaning }), next: later } }
  })
  return (
    <FocusHeir>
      <Button variant="primary" size={size} busy={busy} onClick={() => void start()}>
        Renew now
      </Button>
      <ProblemNotice problem={problem} />
    </FocusHeir>
  )
}

const later = 'Nothing was lost. Try again in a few minutes. If it keeps failing, tell an admin.'

type MenuProps = { tenant: string; connection: ConnectionRef; frozen: boolean; freezable: boolean }

/** What can be done with one connection in a list: look, freeze or lift. Ending is done with the selection. */
export function ConnectionMenu({ tenant, connection, frozen, freezable }: MenuProps) {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <DropdownMenu
        label={`Actions for ${connection.name} of ${connection.owner}`}
        items={[
          { label: 'Details', icon: <Eye aria-hidden />, href: `/t/${tenant}/connections/${connection.id}` },
          ...(freezable ? [{ ...freezeItem(frozen), onSelect: () => setAsking(true) }] : []),
        ]}
      />
      {asking && (
        <FreezeDialog
          tenant={tenant}
          target={freezeTargetOf(connection)}
          frozen={frozen}
          open
          onOpenChange={setAsking}
        />
      )}
    </>
  )
}
