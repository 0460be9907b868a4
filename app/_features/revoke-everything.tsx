'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { useAction } from '@/app/_ui/action.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { Checkbox } from '@/app/_ui/checkbox.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { ProblemNotice } from '@/app/_ui/notice.tsx'
import { client, send } from './client.ts'
import { type Ending, endingCounts, endingSize, previewEnding } from './ending.ts'

type Props = {
  tenant: string
  person: { id: string; name: string }
  own: boolean
  /** They could be suspended with it, and are not yet. */
  blockable: boolean
  size?: ButtonProps['size']
}

/** From more than this on, the tenant's name has to be typed and a reason given. */
const many = 20

/** Ends everything that one person holds here, after saying how much that is; then shows how it goes on. */
export function RevokeEverything({ tenant, person, own, blockable, size }: Props) {
  const [ending, setEnding] = useState<Ending | null>(null)
  const { busy, problem, start } = useAction(async () => {
    const counted = await previewEnding(tenant, person.id)
    if (counted.ok) setEnding(counted.data)
    return counted
  })
  return (
    <>
      <Button variant="danger" size={size} busy={busy} onClick={() => void start()}>
        Revoke everything…
      </Button>
      <ProblemNotice problem={problem} />
      {ending && <Question {...{ tenant, person, own, blockable, ending }} onClose={() => setEnding(null)} />}
    </>
  )
}

type QuestionProps = Omit<Props, 'size'> & { ending: Ending; onClose: () => void }

function Question({ tenant, person, own, blockable, ending, onClose }: QuestionProps) {
  const router = useRouter()
  const [block, setBlock] = useState(blockable)
  const isBig = endingSize(ending) > many
  return (
    <ConfirmDialog
      open
      onOpenChange={onClose}
      title={own ? 'Revoke everything of yours' : `Revoke everything of ${person.name}`}
      lead={
        own
          ? 'All that you hold in this tenant ends at once, also upstream where possible. You stay signed in here, and link and sign in your devices again.'
          : 'All that they hold in this tenant ends at once, also upstream where possible. Other tenants are not affected.'
      }
      counts={endingCounts(ending, 'everything', own)}
      reason={isBig && !own ? 'required' : 'optional'}
      phrase={isBig ? tenant : undefined}
      confirmLabel="Revoke everything"
      onConfirm={async ({ reason }) => {
        const params = { path: { tenant, user: person.id } }
        const body = { block, ...(reason && { reason }) }
        const sent = await send(client.POST('/api/v1/tenants/{tenant}/members/{user}/revocation', { params, body }))
        if (sent.ok) router.push(`/t/${tenant}/admin/revocation/${sent.data.act}`)
        return sent
      }}
    >
      {blockable && (
        <Checkbox
          label="and block sign-in here"
          hint={
            block
              ? 'They are suspended: a new sign-in does not let them in, until an admin reinstates them.'
              : 'Whoever can sign in as them can start again at once.'
          }
          checked={block}
          onChange={(event) => setBlock(event.target.checked)}
        />
      )}
    </ConfirmDialog>
  )
}
