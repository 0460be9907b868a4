'use client'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { type Ending, endingCounts, previewEnding } from '@/app/_features/ending.ts'
import { FreezeDialog, freezeItem } from '@/app/_features/freeze.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import type { Role } from '@/app/_ui/nav.ts'
import { say } from '@/app/_ui/toaster.tsx'
import { roleWords } from './role-words.ts'

type Member = { id: string; name: string; role: Role; status: 'active' | 'suspended' }
type Act = { role: Role } | 'suspend' | 'reinstate' | 'remove'
type Props = { tenant: string; member: Member; frozen: boolean; freezable: boolean; mayMakeOwners: boolean }

const roles: Role[] = ['owner', 'admin', 'member', 'auditor']

/** Another role, frozen, suspended or back again, or gone. What an act reaches is counted before it is confirmed. */
export function MemberMenu({ tenant, member, frozen, freezable, mayMakeOwners }: Props) {
  const router = useRouter()
  const [act, setAct] = useState<Act | null>(null)
  const [freezing, setFreezing] = useState(false)
  const [ending, setEnding] = useState<Ending | null>(null)
  const offered = roles.filter((role) => role !== member.role && (role !== 'owner' || mayMakeOwners))
  const params = { path: { tenant, user: member.id } }

  async function ask(next: Act) {
    setEnding(null)
    setAct(next)
    if (next !== 'suspend' && next !== 'remove') return
    const counted = await previewEnding(tenant, member.id)
    if (counted.ok) setEnding(counted.data)
  }

  const run = (reason: string) => {
    const why = reason ? { reason } : {}
    if (act === 'remove') return send(client.DELETE('/api/v1/tenants/{tenant}/members/{user}', { params, body: why }))
    const change =
      act === 'suspend' ? { status: 'suspended' as const } : act === 'reinstate' ? { status: 'active' as const } : act
    return send(client.PATCH('/api/v1/tenants/{tenant}/members/{user}', { params, body: { ...change, ...why } }))
  }

  return (
    <>
      <DropdownMenu
        label={`Actions for ${member.name}`}
        items={[
          { label: 'Everything they hold', href: `/t/${tenant}/admin/members/${member.id}` },
          ...offered.map((role) => ({ label: `Make ${role}`, onSelect: () => ask({ role }) })),
          ...(freezable ? [{ ...freezeItem(frozen), onSelect: () => setFreezing(true) }] : []),
          member.status === 'active'
            ? { label: 'Suspend…', danger: true, onSelect: () => ask('suspend') }
            : { label: 'Reinstate', onSelect: () => ask('reinstate') },
          { label: 'Remove…', danger: true, onSelect: () => ask('remove') },
        ]}
      />
      <FreezeDialog
        tenant={tenant}
        target={{ kind: 'member', id: member.id, name: member.name }}
        frozen={frozen}
        open={freezing}
        onOpenChange={setFreezing}
      />
      {act && (
        <ConfirmDialog
          open
          onOpenChange={() => setAct(null)}
          {...questionOf(member, act)}
          {...(ending && { counts: endingCounts(ending, act === 'remove' ? 'remove' : 'suspend') })}
          onConfirm={async ({ reason }) => {
            const sent = await run(reason)
            if (sent.ok) {
              say(act === 'remove' ? `${member.name} removed` : `${member.name} changed`)
              router.refresh()
            }
            return sent
          }}
        />
      )}
    </>
  )
}

function questionOf({ name }: Member, act: Act) {
  if (act === 'suspend')
    return {
      title: `Suspend ${name}`,
      lead: 'They lose access to this tenant at once, and their devices, apps and tokens are revoked. Their connections are kept until they are reinstated.',
      confirmLabel: 'Suspend',
      reason: 'optional' as const,
    }
  if (act === 'remove')
    return {
      title: `Remove ${name}`,
      lead: 'They lose access to this tenant, and their devices, apps, tokens and connections are revoked, also upstream where possible. If you invite them again, they must link again.',
      confirmLabel: 'Remove',
      reason: 'optional' as const,
    }
  if (act === 'reinstate')
    return {
      title: `Reinstate ${name}`,
      lead: 'They can use this tenant again with their former role, after they sign in again.',
      confirmLabel: 'Reinstate',
      tone: 'primary' as const,
    }
  return {
    title: `Make ${name} ${act.role}`,
    lead: `${roleWords[act.role]} It takes effect at once.`,
    confirmLabel: `Make ${act.role}`,
    tone: 'primary' as const,
  }
}
