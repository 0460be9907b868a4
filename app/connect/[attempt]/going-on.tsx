'use client'
import { useRouter } from 'next/navigation'
import { useEffect } from 'react'

/** In milliseconds. */
const lookedEvery = 2_000

/** Looks again until the link is over: how it ended is the server's to say. */
export function GoingOn() {
  const router = useRouter()
  useEffect(() => {
    const looking = setInterval(() => router.refresh(), lookedEvery)
    return () => clearInterval(looking)
  }, [router])
  return <p role="status">This page changes by itself when it is done. It takes a few seconds as a rule.</p>
}
