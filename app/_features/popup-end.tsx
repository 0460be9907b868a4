'use client'
import { useEffect } from 'react'
import { client, leaveFor, send } from '@/app/_features/client.ts'
import { tellOpener } from '@/app/_features/popup.ts'

type Props = { tenant: string; attempt: string }

/** The last page of a link in a pop-up: its opener is told which attempt it was, and the window goes on with the next or closes. */
export function PopupEnd({ tenant, attempt }: Props) {
  useEffect(() => {
    const none = () => window.close()
    return tellOpener(attempt, {
      none,
      next: async (next) => {
        // The server gives the address to who began that attempt, in this browser, and to nobody else.
        const params = { path: { tenant, attempt: next } }
        const sent = await send(
          client.POST('/api/v1/tenants/{tenant}/attempts/{attempt}/resume', { params, body: {} }),
        ).catch(() => undefined)
        if (sent?.ok) leaveFor(sent.data.url)
        else none()
      },
    })
  }, [tenant, attempt])
  return <p role="status">This window closes by itself, or goes on with the next link. If it stays, close it.</p>
}
