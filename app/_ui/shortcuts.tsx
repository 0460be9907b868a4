'use client'
import { useRouter } from 'next/navigation'
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { Checkbox } from './checkbox.tsx'
import { Dialog } from './dialog.tsx'

const storageKey = 'valetkey-shortcuts'

/** Single-key shortcuts can be turned off (WCAG 2.1.4); a browser without storage keeps them on. */
function readEnabled(): boolean {
  try {
    return localStorage.getItem(storageKey) !== 'off'
  } catch {
    return true
  }
}
const watchers = new Set<() => void>()
function watch(listener: () => void) {
  watchers.add(listener)
  return () => watchers.delete(listener)
}
function setEnabled(on: boolean) {
  try {
    localStorage.setItem(storageKey, on ? 'on' : 'off')
  } catch {}
  for (const each of watchers) each()
}

const isTyping = (target: EventTarget | null) =>
  target instanceof HTMLElement && (target.isContentEditable || target.matches('input, textarea, select'))

const press = (name: string): boolean => {
  const target = document.querySelector<HTMLElement>(`[data-shortcut="${name}"]`)
  if (name === 'filter') target?.focus()
  else target?.click()
  return target !== null
}

export type ShortcutsProps = {
  /** What follows `g`, e.g. `{ p: { label: 'Projects', href } }`. */
  goTo: Record<string, { label: string; href: string }>
  /** Where `n` leads when the page has no `data-shortcut="issue-token"`. */
  issueHref: string
  helpOpen: boolean
  onHelpChange: (open: boolean) => void
}

/** `/`, `n`, `g` and a letter, and `?`, which lists them. */
export function Shortcuts({ goTo, issueHref, helpOpen, onHelpChange }: ShortcutsProps) {
  const router = useRouter()
  const enabled = useSyncExternalStore(watch, readEnabled, () => true)
  const [openedAt] = useState(() => ({ g: 0 }))
  const latest = useRef({ goTo, issueHref, onHelpChange })
  useEffect(() => {
    latest.current = { goTo, issueHref, onHelpChange }
  })

  useEffect(() => {
    if (!enabled) return
    function onKey(event: KeyboardEvent) {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return
      if (document.querySelector('[role="dialog"], [role="alertdialog"], [role="menu"]')) return
      const { goTo: places, issueHref: issue, onHelpChange: help } = latest.current
      const place = event.timeStamp - openedAt.g < 1_500 ? places[event.key] : undefined
      openedAt.g = event.key === 'g' ? event.timeStamp : Number.NEGATIVE_INFINITY
      if (place) router.push(place.href)
      else if (event.key === '?') help(true)
      else if (event.key === 'n') press('issue-token') || router.push(issue)
      else if (event.key !== '/' || !press('filter')) return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [enabled, router, openedAt])

  const rows: [string[], string][] = [
    [['/'], 'Focus the filter'],
    [['n'], 'Issue a token'],
    ...Object.entries(goTo).map(([key, { label }]): [string[], string] => [['g', key], `Go to ${label}`]),
    [['?'], 'Show this list'],
  ]
  return (
    <Dialog open={helpOpen} onOpenChange={onHelpChange} title="Keyboard">
      <dl className="flex flex-col gap-2">
        {rows.map(([keys, what]) => (
          <div key={what} className="flex items-center justify-between gap-4">
            <dt>{what}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd
                  key={key}
                  className="min-w-6 rounded-[4px] border bg-raised px-1.5 text-center font-mono text-[13px]"
                >
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
      <Checkbox
        label="Use these shortcuts in this browser"
        checked={enabled}
        onChange={(event) => setEnabled(event.target.checked)}
      />
    </Dialog>
  )
}
