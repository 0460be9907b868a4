'use client'
import { type ReactNode, useState } from 'react'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { useLeaveGuard } from './leave-guard.tsx'

type Input = {
  /** Names what is shown once: "token", "signing key". */
  what: string
  onClose: () => void
}

type CopyFirst = {
  copied: boolean
  /** Call it when the value itself has been copied, alone or inside a snippet. */
  onCopied: () => void
  /** Closes the dialog, after a question where nothing was copied. */
  close: () => void
  /** The question; render it beside the dialog. */
  question: ReactNode
}

const stay = () => {}

/** For what is shown once: closing its dialog and leaving its page ask first while nobody has copied it. */
export function useCopyFirst({ what, onClose }: Input): CopyFirst {
  const [copied, setCopied] = useState(false)
  const [leave, setLeave] = useState<(() => void) | null>(null)
  useLeaveGuard(!copied, (go) => setLeave(() => go))
  return {
    copied,
    onCopied: () => setCopied(true),
    close: () => (copied ? onClose() : setLeave(() => stay)),
    question: (
      <ConfirmDialog
        open={leave !== null}
        onOpenChange={() => setLeave(null)}
        title={`You have not copied the ${what}`}
        lead="Once this closes, its value is gone for good. It is not stored here."
        cancelLabel={`Back to the ${what}`}
        confirmLabel="Close without copying"
        onConfirm={async () => {
          onClose()
          leave?.()
          return { ok: true }
        }}
      />
    ),
  }
}
