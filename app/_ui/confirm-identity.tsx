'use client'
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'

/** Who looks at the page, where they sign in, and until when that counts as recent. */
type Confirmed = { userId: string; issuer: string; until: string }

const ConfirmedContext = createContext<Confirmed | null>(null)

/** Between the tabs of one browser: who has confirmed that they are who they are, and until when it counts. */
const channel = 'valetkey-confirmed'
type Told = Pick<Confirmed, 'userId' | 'until'>

/** What the forms inside know of the last sign-in. A confirmation in another tab counts here as well: the cookie is one. */
export function ConfirmedProvider({ children, ...given }: Confirmed & { children: ReactNode }) {
  const [told, setTold] = useState<Told | null>(null)
  useEffect(() => {
    const tabs = new BroadcastChannel(channel)
    tabs.onmessage = ({ data }: MessageEvent<Told>) => setTold(data)
    return () => tabs.close()
  }, [])
  const until = told?.userId === given.userId && told.until > given.until ? told.until : given.until
  return <ConfirmedContext value={{ ...given, until }}>{children}</ConfirmedContext>
}

/** Tells the other tabs. */
export function TellConfirmed(told: Told) {
  const { userId, until } = told
  useEffect(() => {
    const tabs = new BroadcastChannel(channel)
    tabs.postMessage({ userId, until } satisfies Told)
    return () => tabs.close()
  }, [userId, until])
  return null
}

/** What is known of the last sign-in, and whether it is recent now; null outside the console. */
export function useConfirmed() {
  const confirmed = useContext(ConfirmedContext)
  return confirmed && { ...confirmed, isRecent: new Date(confirmed.until) > new Date() }
}

/** The way to a recent sign-in: `isEager` asks at once, and whoever closed the question can ask again. */
export function ConfirmAgain({ isEager = false }: { isEager?: boolean }) {
  const confirmed = useConfirmed()
  const [asking, setAsking] = useState(isEager)
  // What was refused does not count, whatever the clock here says.
  const [before] = useState(confirmed?.until)
  if (confirmed?.isRecent && confirmed.until !== before) return <p role="status">Confirmed: it is you.</p>
  return (
    <>
      <Button size="sm" onClick={() => setAsking(true)}>
        Confirm that it is you…
      </Button>
      {asking && <ConfirmIdentity issuer={confirmed?.issuer} onClose={() => setAsking(false)} />}
    </>
  )
}

/**
 * Leads to the sign-in in a tab of its own, so that this page keeps everything, secrets included. A form, as sign-in
 * itself: no other site can send it.
 */
function ConfirmIdentity({ issuer = 'your identity provider', onClose }: { issuer?: string; onClose: () => void }) {
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="Confirm that it is you"
      lead={`This change outlasts your session, so it needs a sign-in of the last ten minutes. Sign in again with ${issuer}, then come back to this tab.`}
    >
      <form
        action="/api/auth/confirm"
        method="post"
        target="_blank"
        className="flex flex-wrap items-center justify-end gap-2"
        rel="noopener"
        // In the page it stands beside the form that asked; in React it is inside.
        onSubmit={(event) => event.stopPropagation()}
      >
        <input type="hidden" name="return_to" value="/confirm" />
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" variant="primary" data-first>
          Sign in again in a new tab
        </Button>
      </form>
    </Dialog>
  )
}
