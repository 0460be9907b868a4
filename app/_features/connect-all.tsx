'use client'
import { AppWindow } from 'lucide-react'
import { useRouter } from 'next/navigation'
import { type ReactNode, useEffect, useRef, useState } from 'react'
import { Relink } from '@/app/_features/link.tsx'
import { type Ended, linkInPopup, openPopup, type Standing, type Wanted } from '@/app/_features/popup.ts'
import { Button, type ButtonProps } from '@/app/_ui/button.tsx'
import { useHydrated } from '@/app/_ui/clock.ts'
import { Notice } from '@/app/_ui/notice.tsx'

/** What became of a link in a pop-up. */
export function endWords(ended: Ended): string {
  switch (ended.as) {
    case 'finished':
      return 'Linked.'
    case 'silent':
      return 'Works again. Its grant was still good, so nothing had to be approved.'
    case 'denied':
      return 'Denied at the upstream. Nothing was linked.'
    case 'cancelled':
      return 'Cancelled. Nothing was linked, and a later approval is refused.'
    case 'timed_out':
      return 'Timed out: it was not approved within ten minutes. Nothing was linked.'
    case 'lost':
      return 'We do not know how it ended. Reload the page to see.'
    case 'failed':
      return [ended.problem.title, ended.problem.meaning, ended.problem.next].filter(Boolean).join('. ')
  }
}

const standingWords = (standing: Standing, isOver: boolean): string => {
  switch (standing.as) {
    case 'under_way':
      return 'Under way: approve it in the window.'
    case 'waiting':
      return isOver ? 'Not started.' : 'Comes next.'
    default:
      return endWords(standing)
  }
}

/** Links in a pop-up, so that this page stays. `blocked`: the browser allows none. */
function usePopupLinks(tenant: string) {
  const router = useRouter()
  const [standings, setStandings] = useState<Standing[]>([])
  const [phase, setPhase] = useState<'before' | 'running' | 'over' | 'blocked'>('before')
  const stop = useRef<AbortController>(null)
  useEffect(() => () => stop.current?.abort(), [])

  async function start(wanted: Wanted[]): Promise<void> {
    const popup = openPopup()
    if (!popup) return setPhase('blocked')
    stop.current = new AbortController()
    setStandings(wanted.map(() => ({ as: 'waiting' })))
    setPhase('running')
    const tell = (index: number, now: Standing) => setStandings((all) => all.with(index, now))
    await linkInPopup(wanted, { tenant, popup, stop: stop.current.signal, tell }).catch(() =>
      setStandings((all) => all.map((one) => (one.as === 'under_way' ? { as: 'lost' } : one))),
    )
    setPhase('over')
    router.refresh()
  }
  return { standings, phase, start, stop: () => stop.current?.abort() }
}

export const Blocked = ({ children }: { children: ReactNode }) => (
  <Notice
    tone="attention"
    live
    title="Your browser blocked the window"
    meaning="Allow pop-ups for this address and try again, or link in this page: it leaves for the upstream and comes back."
    action={children}
  />
)

/** By its provider; `connection`: it was linked, and is to be linked again. */
export type ToLink = { id: string; name: string; connection: string | null }
type Props = { tenant: string; servers: ToLink[] }

function titleOf(servers: ToLink[]): string {
  const again = servers.every(({ connection }) => connection) ? 'reconnect' : 'link'
  const some = servers.some(({ connection }) => connection) && again === 'link' ? 'link or reconnect' : again
  return servers.length === 1
    ? `There is an MCP server to ${some}`
    : `There are ${servers.length} MCP servers to ${some}`
}

/** Links every MCP server that needs this person, one after the other in one window. */
export function ConnectAll({ tenant, servers }: Props) {
  const { standings, phase, start, stop } = usePopupLinks(tenant)
  // The page is made anew at the end, and then has fewer of them.
  const [asked, setAsked] = useState<ToLink[]>([])
  const isReady = useHydrated()
  const isShown = phase === 'running' || phase === 'over'
  if (servers.length === 0 && !isShown) return null
  const again = servers.filter(({ connection }) => connection).length
  const names = servers.map(({ name }) => name).join(', ')
  const button = servers.length > 0 && phase !== 'running' && (
    <Button
      size="sm"
      disabled={!isReady}
      onClick={() => {
        setAsked(servers)
        void start(servers.map(({ id, connection }) => ({ provider: id, connection: connection ?? undefined })))
      }}
    >
      <AppWindow aria-hidden />
      Connect all
    </Button>
  )
  const [first] = servers
  return (
    <section aria-label="MCP servers" className="flex flex-col gap-3">
      {phase === 'blocked' && first && (
        <Blocked>
          <Relink
            tenant={tenant}
            providerId={first.id}
            {...(first.connection && { connectionId: first.connection })}
            label={`Link ${first.name} in this page`}
          />
        </Blocked>
      )}
      {isShown ? (
        <Notice
          title={phase === 'running' ? 'Linking MCP servers' : 'What became of each MCP server'}
          meaning={
            <ul aria-live="polite" className="flex flex-col gap-1">
              {asked.map(({ id, name }, index) => (
                <li key={id}>
                  <bdi className="font-semibold">{name}</bdi>:{' '}
                  {standingWords(standings[index] ?? { as: 'waiting' }, phase === 'over')}
                </li>
              ))}
            </ul>
          }
          action={
            phase === 'running' ? (
              <Button size="sm" onClick={stop}>
                Stop
              </Button>
            ) : (
              button
            )
          }
        />
      ) : (
        <Notice
          title={titleOf(servers)}
          meaning={
            <>
              <bdi>{names}</bdi>. A window opens for the approvals, and this page stays.
              {again > 0 && ' What was linked before is tried without you first.'}
            </>
          }
          action={button}
        />
      )}
    </section>
  )
}

type RelinkProps = {
  tenant: string
  providerId: string
  connectionId?: string | undefined
  label: string
  variant?: ButtonProps['variant']
  size?: ButtonProps['size']
}

/** Links in a window, where this page is not to be lost. */
export function LinkInPopup({
  tenant,
  providerId,
  connectionId,
  label,
  variant = 'primary',
  size = 'sm',
}: RelinkProps) {
  const { standings, phase, start } = usePopupLinks(tenant)
  const isReady = useHydrated()
  const [now] = standings
  return (
    <div className="flex min-w-0 flex-col items-start gap-2">
      <Button
        variant={variant}
        size={size}
        disabled={!isReady}
        busy={phase === 'running'}
        onClick={() => void start([{ provider: providerId, connection: connectionId }])}
      >
        {label}
        <AppWindow aria-hidden />
      </Button>
      {now && phase !== 'blocked' && <p role="status">{standingWords(now, phase === 'over')}</p>}
      {phase === 'blocked' && (
        <Blocked>
          <Relink
            tenant={tenant}
            providerId={providerId}
            {...(connectionId && { connectionId })}
            label="Link in this page"
          />
        </Blocked>
      )}
    </div>
  )
}
