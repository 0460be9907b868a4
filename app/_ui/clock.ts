'use client'
import { useSyncExternalStore } from 'react'

type Clock = { subscribe: (listener: () => void) => () => void; read: () => number }

/** One shared interval per step, running only while a component uses it. */
function clock(stepMs: number): Clock {
  const listeners = new Set<() => void>()
  let timer: ReturnType<typeof setInterval> | undefined
  return {
    read: () => Math.floor(Date.now() / stepMs) * stepMs,
    subscribe(listener) {
      listeners.add(listener)
      timer ??= setInterval(() => {
        for (const each of listeners) each()
      }, stepMs)
      return () => {
        listeners.delete(listener)
        if (listeners.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
    },
  }
}

const clocks = { second: clock(1_000), minute: clock(15_000) }

/** The present in epoch ms. On the server and during hydration it is `serverNow`, so both render the same. */
export function useNow(step: keyof typeof clocks, serverNow: number | null = null): number | null {
  const { subscribe, read } = clocks[step]
  return useSyncExternalStore<number | null>(subscribe, read, () => serverNow)
}

const never = () => () => {}

/** False on the server and while hydrating, true afterwards. */
export const useHydrated = (): boolean =>
  useSyncExternalStore(
    never,
    () => true,
    () => false,
  )
