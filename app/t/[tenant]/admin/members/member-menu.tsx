'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_console/client.ts'
import { FreezeDialog, freezeItem } from '@/app/_console/freeze.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import type { Role } from '@/app/_ui/nav.ts'
import { say } from '@/app/_ui/toaster.tsx'
import { roleWords } from './role-words.ts'

type Member = { id: string; name: string; role: Role; status: 'active' | 'suspended' }
type Change = { role?: Role; status?: Member['status'] }
type Props = { tenant: string; member: Member; frozen: boolean; freezable: boolean; mayMakeOwners: boolean }

const roles: Role[] = ['owner', 'admin', 'member', 'auditor']

/** Another role, frozen, suspended, or back again. */
export function MemberMenu({ tenant, member, frozen, freezable, mayMakeOwners }: Props) {
  const router = useRouter()
  const [change, setChange] = useState<Change | null>(null)
  const [freezing, setFreezing] = useState(false)
  const offered = roles.filter((role) => role !== member.role && (role !== 'owner' || mayMakeOwners))
  return (
    <>
      <DropdownMenu
        label={`Actions for ${member.name}`}
        items={[
          ...offered.map((role) => ({ label: `Make ${role}`, onSelect: () => setChange({ role }) })),
          ...(freezable ? [{ ...freezeItem(frozen), onSelect: () => setFreezing(true) }] : []),
          member.status === 'active'
            ? { label: 'Suspend…', danger: true, onSelect: () => setChange({ status: 'suspended' }) }
            : { label: 'Reinstate', onSelect: () => setChange({ status: 'active' }) },
        ]}
      />
      <FreezeDialog
        tenant={tenant}
        target={{ kind: 'member', id: member.id, name: member.name }}
        frozen={frozen}
        open={freezing}
        onOpenChange={setFreezing}
      />
      {change && (
        <ConfirmDialog
          open
          onOpenChange={() => setChange(null)}
          {...questionOf(member, change)}
          onConfirm={async () => {
            const params = { path: { tenant, user: member.id } }
            const sent = await send(client.PATCH('/api/v1/tenants/{tenant}/members/{user}', { params, body: change }))
            if (sent.ok) {
              say(`${member.name} changed`)
              router.refresh()
            }
            return sent
          }}
        />
      )}
    </>
  )
}

function questionOf({ name }: Member, { role, status }: Change) {
  if (role)
    return {
      title: `Make ${name} ${role}`,
      lead: `${roleWords[role]} It takes effect at their next click.`,
      confirmLabel: `Make ${role}`,
      tone: 'primary' as const,
    }
  if (status === 'suspended')
    return {
      title: `Suspend ${name}`,
      lead: 'This tenant is closed to them at once, and nothing is issued for them. Tokens that are out work until they end: revoke those on the revocation page.',
      confirmLabel: 'Suspend',
    }
  return {
    title: `Reinstate ${name}`,
    lead: 'They can use this tenant again, with the role that they had.',
    confirmLabel: 'Reinstate',
    tone: 'primary' as const,
  }
}
