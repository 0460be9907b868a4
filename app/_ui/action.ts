'use client'
import { useRef, useState } from 'react'

/** What went wrong, for a person: what happened, what it means for them, what to do next. */
export type Problem = {
  title: string
  meaning?: string
  next?: string
  requestId?: string
  /** The session is over here; signing in again is the way on. */
  signIn?: boolean
  /** The session is too old for it; signing in again, and then the same act, is the way on. */
  confirm?: boolean
}

/** How an act ended. Components get acts as functions and know no API. */
export type ActionResult = { ok: true } | { ok: false; problem: Problem }

const lost: Problem = {
  title: 'No answer from the server',
  meaning: 'We do not know whether this took effect.',
  next: 'Reload the page to see the current state, then try again.',
}

/**
 * Runs one act at a time: a second call while the first runs is ignored, a throw becomes a problem.
 * `start` resolves to true when the act succeeded.
 */
export function useAction<A extends unknown[]>(act: (...args: A) => Promise<ActionResult>) {
  const [busy, setBusy] = useState(false)
  const [problem, setProblem] = useState<Problem | null>(null)
  const running = useRef(false)

  async function start(...args: A): Promise<boolean> {
    if (running.current) return false
    running.current = true
    setBusy(true)
    setProblem(null)
    const result = await act(...args).catch((): ActionResult => ({ ok: false, problem: lost }))
    running.current = false
    setBusy(false)
    if (!result.ok) setProblem(result.problem)
    return result.ok
  }
  return { busy, problem, start, clear: () => setProblem(null) }
}
