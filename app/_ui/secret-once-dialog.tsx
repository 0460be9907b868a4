'use client'
import { ExternalLink, Eye, EyeOff } from 'lucide-react'
import { type ReactNode, useEffect, useState } from 'react'
import { flushSync } from 'react-dom'
import { Button } from './button.tsx'
import { useNow } from './clock.ts'
import { useCopyFirst } from './copy-first.tsx'
import { Dialog } from './dialog.tsx'
import { CodeTabs } from './tabs.tsx'
import { Time } from './time.tsx'
import { countdownText } from './time-text.ts'

export type SecretOnce = {
  value: string
  /** What the value is (default "token"). `address`: it is opened as well. */
  what?: 'token' | 'address'
  /** Names the token: "Token for Sales warehouse". */
  title: string
  fingerprint: string
  /** ISO moment at which the token ends. */
  endsAt: string
  /** What happens then (default "Expires"). */
  endWord?: string
  /** How to use it, with the value put in by the dialog. */
  samples: { id: string; label: string; code: (value: string) => string; note?: string | undefined }[]
  /** What must be read before the value is used: rights that were not granted. */
  note?: ReactNode
  /** Seconds until the value hides itself (default 120). */
  hideAfterSeconds?: number
}

type Phase =
  | { kind: 'closed' }
  | { kind: 'shown'; secret: SecretOnce; hidesAt: number }
  | { kind: 'hidden'; what: string }

/**
 * Holds a secret for as long as its dialog shows it, in this one state and nowhere else. Spread `dialog` into
 * SecretOnceDialog. Leaving the page drops the value before the browser can keep the page for "back".
 */
export function useSecretOnce() {
  const [phase, setPhase] = useState<Phase>({ kind: 'closed' })
  useEffect(() => {
    // Synchronous: the frozen page (bfcache) must not hold the value in its DOM either.
    const drop = () => flushSync(() => setPhase({ kind: 'closed' }))
    window.addEventListener('pagehide', drop)
    return () => window.removeEventListener('pagehide', drop)
  }, [])
  return {
    show: (secret: SecretOnce) =>
      setPhase({ kind: 'shown', secret, hidesAt: Date.now() + (secret.hideAfterSeconds ?? 120) * 1_000 }),
    dialog: {
      phase,
      onHide: (what: string) => setPhase({ kind: 'hidden', what }),
      onClose: () => setPhase({ kind: 'closed' }),
    },
  }
}

export type SecretOnceDialogProps = ReturnType<typeof useSecretOnce>['dialog'] & { onIssueAgain?: () => void }

/** Shows a secret once: masked, with copy and samples, until it is closed or its time is over. */
export function SecretOnceDialog({ phase, onHide, onClose, onIssueAgain }: SecretOnceDialogProps) {
  if (phase.kind === 'closed') return null
  if (phase.kind === 'shown') {
    return <Shown secret={phase.secret} hidesAt={phase.hidesAt} onHide={onHide} onClose={onClose} />
  }
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={`The ${phase.what} is hidden now`}
      lead={`The value is not stored and cannot be shown again. Any copy that you made works until the ${phase.what} expires.`}
      footer={
        <>
          {onIssueAgain && (
            <Button
              onClick={() => {
                onClose()
                onIssueAgain()
              }}
            >
              Issue again
            </Button>
          )}
          <Button variant="primary" onClick={onClose}>
            Close
          </Button>
        </>
      }
    />
  )
}

type ShownProps = { secret: SecretOnce; hidesAt: number; onHide: (what: string) => void; onClose: () => void }

function Shown({ secret, hidesAt, onHide, onClose }: ShownProps) {
  const { value, what = 'token', title, fingerprint, endsAt, endWord = 'Expires', samples, note } = secret
  const [revealed, setRevealed] = useState(false)
  const { buttons, onCopied, close, question } = useCopyFirst({
    what,
    text: value,
    label: `Copy ${what}`,
    onClose,
  })
  const now = useNow('second')
  const left = hidesAt - (now ?? hidesAt)

  useEffect(() => {
    const timer = setTimeout(() => onHide(what), Math.max(0, hidesAt - Date.now()))
    return () => clearTimeout(timer)
  }, [hidesAt, onHide, what])

  const masked = `${value.slice(0, 3)}${'•'.repeat(20)}`
  return (
    <>
      <Dialog
        open
        wide
        onOpenChange={close}
        title={`${title} · shown once`}
        lead="Copy it now. It is not stored and cannot be shown again."
        footer={
          <>
            <span className="mr-auto self-center text-muted tabular-nums max-sm:w-full">
              {endWord} <Time at={endsAt} hint="hover" /> · hidden in {countdownText(left)}
            </span>
            {buttons}
          </>
        }
      >
        {note}
        <div className="flex flex-wrap items-center gap-2">
          <code
            data-secret
            className="wrap-anywhere min-w-0 flex-1 basis-60 rounded-lg bg-raised px-3 py-2 font-mono text-[13px]"
          >
            {revealed ? value : masked}
          </code>
          <Button size="sm" aria-pressed={revealed} onClick={() => setRevealed(!revealed)}>
            {revealed ? <EyeOff aria-hidden /> : <Eye aria-hidden />}
            {revealed ? 'Hide' : 'Show'}
          </Button>
          {what === 'address' && <Open address={value} onOpened={onCopied} />}
        </div>
        <p className="text-muted">
          Fingerprint <code className="font-mono text-[13px]">{fingerprint}</code>
        </p>
        {samples.length > 0 && (
          <CodeTabs
            label="Use it from"
            samples={samples.map(({ id, label, code, note }) => ({
              id,
              label,
              code: code(value),
              shown: revealed ? undefined : code(masked),
              note,
            }))}
            // A snippet that only names a variable has not saved the value.
            onCopied={({ code }) => code.includes(value) && onCopied()}
          />
        )}
      </Dialog>
      {question}
    </>
  )
}

/** In a tab of its own that learns nothing of this page. The address is in no link: the document never holds it. */
function Open({ address, onOpened }: { address: string; onOpened: () => void }) {
  function open() {
    window.open(address, '_blank', 'noopener,noreferrer')
    onOpened()
  }
  return (
    <Button size="sm" onClick={open}>
      <ExternalLink aria-hidden />
      Open
    </Button>
  )
}
