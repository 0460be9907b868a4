'use client'
import { useRouter } from 'next/navigation'
import { useEffect, useLayoutEffect, useRef } from 'react'

/** Where the page stands in the session history; undefined in browsers without the Navigation API. */
const position = (): number | undefined => window.navigation?.currentEntry?.index

/** Whoever guards the page at present. */
let guard: ((event: PopStateEvent) => void) | undefined

/**
 * Hears of Back and Forward before the router does, and can keep it from hearing of them. Stands in the root layout, before
 * everything else: effects run from the inside out, so this listener is in place before the router's own.
 */
export function LeaveGate() {
  useEffect(() => {
    const onPop = (event: PopStateEvent) => guard?.(event)
    window.addEventListener('popstate', onPop)
    return () => window.removeEventListener('popstate', onPop)
  }, [])
  return null
}

/**
 * While `on`, nothing leaves the page without a question: reloading and closing ask in the browser's own words; Back,
 * Forward and links go through `ask`, which gets the act that goes on to where the person wanted to go.
 */
export function useLeaveGuard(on: boolean, ask: (leave: () => void) => void): void {
  const router = useRouter()
  const latest = useRef(ask)
  useLayoutEffect(() => {
    latest.current = ask
  })
  // Before anything is painted: from the first moment on that a person can see what they may lose.
  useLayoutEffect(() => {
    if (!on) return
    const here = position()
    let open = false
    const askFor = (go: () => void) =>
      latest.current(() => {
        open = true
        go()
      })
    const onUnload = (event: BeforeUnloadEvent) => {
      if (!open) event.preventDefault()
    }
    // The address has changed, what is shown has not, so the address goes back to where it was. That is a second event,
    // with no step left to go.
    const onPop = (event: PopStateEvent) => {
      const now = position()
      if (open || here === undefined || now === undefined) return
      event.stopImmediatePropagation()
      const steps = here - now
      if (steps === 0) return
      window.history.go(steps)
      askFor(() => window.history.go(-steps))
    }
    const onClick = (event: MouseEvent) => {
      const link = event.target instanceof Element ? event.target.closest('a[href]') : null
      const opensElsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey
      if (open || opensElsewhere || !(link instanceof HTMLAnchorElement) || link.target === '_blank') return
      event.preventDefault()
      event.stopPropagation()
      const { href, origin } = link
      askFor(() => (origin === window.location.origin ? router.push(href) : window.location.assign(href)))
    }
    guard = onPop
    window.addEventListener('beforeunload', onUnload)
    document.addEventListener('click', onClick, true)
    return () => {
      if (guard === onPop) guard = undefined
      window.removeEventListener('beforeunload', onUnload)
      document.removeEventListener('click', onClick, true)
    }
  }, [on, router])
}
