'use client'
import { Eye, Trash2 } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import { FreezeDialog, freezeItem } from './freeze.tsx'
import { type GrantRef, grantFreezeTarget } from './freeze-target.ts'
import { outcomeLine, revoke } from './revoke.ts'
import { plural } from './words.ts'

type Props = { tenant: string; grant: GrantRef; revocable: boolean; freezable: boolean }

/** What can be done with one device or app: look, freeze, revoke. */
export function GrantMenu({ tenant, grant, revocable, freezable }: Props) {
  const [asking, setAsking] = useState<'freeze' | 'revoke' | null>(null)
  const asked = { open: true, onOpenChange: () => setAsking(null) }
  return (
    <>
      <DropdownMenu
        label={`Actions for ${grant.name}${grant.owner ? ` of ${grant.owner}` : ''}`}
        items={[
          { label: 'Details', icon: <Eye aria-hidden />, href: `/t/${tenant}/devices/${grant.id}` },
          ...(freezable ? [{ ...freezeItem(grant.frozen), onSelect: () => setAsking('freeze') }] : []),
          ...(revocable
            ? [{ label: 'Revoke…', icon: <Trash2 aria-hidden />, danger: true, onSelect: () => setAsking('revoke') }]
            : []),
        ]}
      />
      {asking === 'freeze' && (
        <FreezeDialog tenant={tenant} target={grantFreezeTarget(grant)} frozen={grant.frozen} {...asked} />
      )}
      {asking === 'revoke' && <RevokeGrant tenant={tenant} grant={grant} {...asked} />}
    </>
  )
}

/** The same act as a button. */
export function RevokeGrantButton({ tenant, grant }: Pick<Props, 'tenant' | 'grant'>) {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button onClick={() => setAsking(true)}>Revoke…</Button>
      <RevokeGrant tenant={tenant} grant={grant} open={asking} onOpenChange={setAsking} />
    </>
  )
}

type RevokeProps = Pick<Props, 'tenant' | 'grant'> & { open: boolean; onOpenChange: (open: boolean) => void }

function RevokeGrant({ tenant, grant, open, onOpenChange }: RevokeProps) {
  const router = useRouter()
  const { name, kind, tokens, owner } = grant
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onOpenChange}
      title={`Revoke ${name}`}
      lead={`It is signed out at once and must be let in again.${
        tokens > 0
          ? ' Tokens that it issued are revoked too, here and where they work upstream.'
          : ' No live token is affected.'
      }`}
      counts={[
        ...(owner ? [{ label: 'Owner', value: owner }] : []),
        ...(tokens > 0 ? [{ label: 'Tokens revoked', value: plural(tokens, 'live token') }] : []),
      ]}
      confirmLabel={`Revoke ${kind}`}
      onConfirm={async () => {
        const sent = await revoke(tenant, { grants: [grant.id] })
        const outcome = sent.ok ? sent.data.find((each) => each.id === grant.id) : undefined
        if (outcome) say(`${name}: ${outcomeLine({ ...outcome, upstream: null })}`)
        if (sent.ok) router.refresh()
        return sent
      }}
    />
  )
}
