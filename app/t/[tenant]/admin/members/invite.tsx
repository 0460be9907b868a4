'use client'
import { UserPlus } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { client, send } from '@/app/_features/client.ts'
import { useAction } from '@/app/_ui/action.ts'
import { Button } from '@/app/_ui/button.tsx'
import { useCopyFirst } from '@/app/_ui/copy-first.tsx'
import { Dialog } from '@/app/_ui/dialog.tsx'
import { Input, RadioCards } from '@/app/_ui/field.tsx'
import { FormDialog } from '@/app/_ui/form-dialog.tsx'
import type { Role } from '@/app/_ui/nav.ts'
import { Time } from '@/app/_ui/time.tsx'
import { roleWords } from './role-words.ts'

type Props = { tenant: string; mayInviteOwners: boolean }

/** Makes an invitation and shows its link, once. */
export function Invite({ tenant, mayInviteOwners }: Props) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="primary" onClick={() => setOpen(true)}>
        <UserPlus aria-hidden />
        Invite
      </Button>
      {open && <InviteDialog tenant={tenant} mayInviteOwners={mayInviteOwners} onClose={() => setOpen(false)} />}
    </>
  )
}

function InviteDialog({ tenant, mayInviteOwners, onClose }: Props & { onClose: () => void }) {
  const router = useRouter()
  const [role, setRole] = useState<Role>('member')
  const [note, setNote] = useState('')
  const [made, setMade] = useState<{ url: string; expiresAt: string } | null>(null)
  const { busy, problem, start } = useAction(async () => {
    const sent = await send(
      client.POST('/api/v1/tenants/{tenant}/invitations', {
        params: { path: { tenant } },
        body: { role, ...(note.trim() && { note: note.trim() }) },
      }),
    )
    if (sent.ok) {
      setMade({ url: sent.data.url, expiresAt: sent.data.expires_at })
      router.refresh()
    }
    return sent
  })
  if (made) return <InvitationLink {...made} onClose={onClose} />
  return (
    <FormDialog
      title="Invite someone"
      lead="You get a link to pass on. It works once and expires after a week."
      submitLabel="Create link"
      busy={busy}
      problem={problem}
      onClose={onClose}
      onSubmit={() => void start()}
    >
      <RadioCards
        legend="Role"
        name="role"
        value={role}
        onChange={(next) => setRole(next as Role)}
        options={(['member', 'admin', 'auditor', ...(mayInviteOwners ? ['owner' as const] : [])] as const).map(
          (each) => ({ value: each, label: each, hint: roleWords[each] }),
        )}
      />
      <Input
        label="Note"
        optional
        hint="Who the invitation is for. Only shown in the list of invitations."
        maxLength={80}
        autoComplete="off"
        value={note}
        onChange={(event) => setNote(event.target.value)}
      />
    </FormDialog>
  )
}

/** The link of a new invitation, once. */
function InvitationLink({ url, expiresAt, onClose }: { url: string; expiresAt: string; onClose: () => void }) {
  const { buttons, close, question } = useCopyFirst({ what: 'link', text: url, label: 'Copy link', onClose })
  return (
    <>
      <Dialog
        open
        onOpenChange={close}
        title="Invitation link · shown once"
        lead="Copy it now. The first signed-in person who opens it can become a member."
        footer={
          <>
            <span className="mr-auto self-center text-muted max-sm:w-full">
              Expires <Time at={expiresAt} hint="hover" />
            </span>
            {buttons}
          </>
        }
      >
        <code className="wrap-anywhere rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">{url}</code>
      </Dialog>
      {question}
    </>
  )
}
