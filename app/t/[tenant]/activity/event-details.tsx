'use client'
import { PanelRightOpen } from 'lucide-react'
import { useState } from 'react'
import { IconButton } from '@/app/_ui/button.tsx'
import { CopyButton } from '@/app/_ui/copy-button.tsx'
import { Dialog } from '@/app/_ui/dialog.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Time } from '@/app/_ui/time.tsx'

export type EventFacts = {
  what: string
  who: string
  at: string
  action: string
  outcome: string
  target: string | null
  address: string | null
  agent: string | null
  requestId: string | null
  facts: [string, string][]
}

/** The whole record of one event. */
export function EventDetails({ event }: { event: EventFacts }) {
  const [open, setOpen] = useState(false)
  const { what, who, at, action, outcome, target, address, agent, requestId, facts } = event
  return (
    <>
      <IconButton label={`Details of ${what}`} icon={<PanelRightOpen aria-hidden />} onClick={() => setOpen(true)} />
      {open && (
        <Dialog open onOpenChange={setOpen} title={what}>
          <KeyValue
            items={[
              { label: 'Who', value: who },
              { label: 'When', value: <Time at={at} form="exact" /> },
              { label: 'Action', value: action, mono: true },
              { label: 'Outcome', value: outcome },
              ...(target ? [{ label: 'Target', value: target, mono: true }] : []),
              ...facts.map(([label, value]) => ({ label, value, mono: true })),
              { label: 'IP address', value: address ?? 'not recorded', mono: true },
              { label: 'User agent', value: agent ?? 'not recorded' },
              ...(requestId
                ? [
                    {
                      label: 'Request',
                      value: (
                        <span className="flex items-center gap-1 font-mono text-[13px]">
                          <span className="wrap-anywhere min-w-0">{requestId}</span>
                          <CopyButton compact text={requestId} label="Copy request id" />
                        </span>
                      ),
                    },
                  ]
                : []),
            ]}
          />
        </Dialog>
      )}
    </>
  )
}
