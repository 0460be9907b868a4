'use client'
import { useRouter } from 'next/navigation'
import { useEffect } from 'react'

/** Reads the page again every two seconds until the act is over. What it says is read out when it changes. */
export function Live({ over, line }: { over: boolean; line: string }) {
  const router = useRouter()
  useEffect(() => {
    if (over) return
    const timer = setInterval(() => document.visibilityState === 'visible' && router.refresh(), 2_000)
    return () => clearInterval(timer)
  }, [over, router])
  return (
    <p role="status" className="text-muted tabular-nums">
      {line}
    </p>
  )
}
