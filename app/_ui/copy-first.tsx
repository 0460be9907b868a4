'use client'
import { type ReactNode, useState } from 'react'
import { Button } from './button.tsx'
import { ConfirmDialog } from './confirm-dialog.tsx'
import { CopyButton } from './copy-button.tsx'
import { useLeaveGuard } from './leave-guard.tsx'

type Input = {
  /** Names what is shown once: "token", "signing key". */
  what: string
  text: string
  /** Of the button: "Copy token". */
  label: string
  onClose: () => void
}

type CopyFirst = {
  /** Copies it, and closes; for the dialog's footer. */
  buttons: ReactNode
  /** Call it when the value has been copied in another way, inside a snippet. */
  onCopied: () => void
  /** Closes the dialog, after a question where nothing was copied. */
  close: () => void
  /** The question; render it beside the dialog. */
  question: ReactNode
}

const stay = () => {}

/** For what is shown once: closing its dialog and leaving its page ask first while nobody has copied it. */
export function useCopyFirst({ what, text, label, onClose }: Input): CopyFirst {
  const [copied, setCopied] = useState(false)
  const [leave, setLeave] = useState<(() => void) | null>(null)
  useLeaveGuard(!copied, (go) => setLeave(() => go))
  const onCopied = () => setCopied(true)
  // Asked again while the question is open, it withdraws the question: an Escape pressed before the question listens
  // reaches this dialog instead.
  const close = () => (copied ? onClose() : setLeave((asked) => (asked ? null : stay)))
  return {
    buttons: (
      <>
        <CopyButton
          first
          size="md"
          variant={copied ? 'secondary' : 'primary'}
          text={text}
          label={label}
          onCopied={onCopied}
        />
        <Button variant={copied ? 'primary' : 'secondary'} onClick={close}>
          Done
        </Button>
      </>
    ),
    onCopied,
    close,
    question: (
      <ConfirmDialog
        open={leave !== null}
        onOpenChange={() => setLeave(null)}
        title={`You have not copied the ${what}`}
        lead="The value is not stored. Once you close this, you cannot see it again."
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
