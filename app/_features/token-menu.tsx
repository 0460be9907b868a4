'use client'
import { Eye, RefreshCw, Trash2 } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { useState } from 'react'
import { Button } from '@/app/_ui/button.tsx'
import { ConfirmDialog } from '@/app/_ui/confirm-dialog.tsx'
import { DropdownMenu } from '@/app/_ui/dropdown-menu.tsx'
import { say } from '@/app/_ui/toaster.tsx'
import type { TokenView } from '@/lib/broker/read/token.ts'
import { outcomeLine, revoke } from './revoke.ts'

type TokenRef = Pick<TokenView, 'id' | 'purpose' | 'strategy' | 'offline' | 'endsAlone' | 'endsWithGrant'> & {
  name: string
}
type Props = { tenant: string; token: TokenRef; revocable: boolean; again?: string }

/** What can be done with one token: look, issue another one like it, revoke. */
export function TokenMenu({ tenant, token, revocable, again }: Props) {
  const [asking, setAsking] = useState(false)
  const items = [
    { label: 'Details', icon: <Eye aria-hidden />, href: `/t/${tenant}/tokens/${token.id}` },
    ...(again ? [{ label: 'Issue again', icon: <RefreshCw aria-hidden />, href: again }] : []),
    ...(revocable
      ? [{ label: 'Revoke…', icon: <Trash2 aria-hidden />, danger: true, onSelect: () => setAsking(true) }]
      : []),
  ]
  return (
    <>
      <DropdownMenu label={`Actions for ${token.name}`} items={items} />
      {asking && <RevokeToken tenant={tenant} token={token} open onOpenChange={setAsking} />}
    </>
  )
}

/** The same act as a button. */
export function RevokeButton({ tenant, token }: { tenant: string; token: TokenRef }) {
  const [asking, setAsking] = useState(false)
  return (
    <>
      <Button onClick={() => setAsking(true)}>Revoke…</Button>
      <RevokeToken tenant={tenant} token={token} open={asking} onOpenChange={setAsking} />
    </>
  )
}

/** What of it works only through us has nothing at the upstream that could live on. */
function revokeMeans({ strategy, offline, endsAlone, endsWithGrant }: TokenRef): string {
  if (strategy === 'proxy')
    return 'It works only through Valetkey, which refuses it at once and cuts requests that are running. Anything that uses it stops working.'
  if (offline)
    return 'Valetkey no longer vouches for it. The API verifies it without asking, so it keeps working there until it expires.'
  if (strategy === 'sign')
    return 'Valetkey tells the API that it no longer counts, as soon as the API asks. Anything that uses it stops working.'
  if (!endsAlone)
    return `The upstream cannot end it alone. Valetkey no longer vouches for it, but it works there until it expires${endsWithGrant ? ' or its connection is disconnected' : ''}.`
  return 'Valetkey rejects it at once and revokes it upstream, if the upstream can. Anything that uses it stops working.'
}

type RevokeTokenProps = { tenant: string; token: TokenRef; open: boolean; onOpenChange: (open: boolean) => void }

function RevokeToken({ tenant, token, open, onOpenChange }: RevokeTokenProps) {
  const router = useRouter()
  return (
    <ConfirmDialog
      open={open}
      onOpenChange={onOpenChange}
      title={`Revoke ${token.name}`}
      lead={`“${token.purpose}”. ${revokeMeans(token)}`}
      confirmLabel="Revoke token"
      onConfirm={async () => {
        const sent = await revoke(tenant, { tokens: [token.id] })
        const [outcome] = sent.ok ? sent.data : []
        if (outcome) say(`${token.name}: ${outcomeLine(outcome)}`)
        if (sent.ok) router.refresh()
        return sent
      }}
    />
  )
}
