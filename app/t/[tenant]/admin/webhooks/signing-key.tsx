'use client'
import { useEffect } from 'react'
import { flushSync } from 'react-dom'
import { Button } from '@/app/_ui/button.tsx'
import { CopyButton } from '@/app/_ui/copy-button.tsx'
import { Dialog } from '@/app/_ui/dialog.tsx'

type Props = { secret: string; lead: string; onClose: () => void }

/** A signing key, once. Leaving the page drops it before the browser can keep the page for "back". */
export function SigningKeyDialog({ secret, lead, onClose }: Props) {
  useEffect(() => {
    const drop = () => flushSync(onClose)
    window.addEventListener('pagehide', drop)
    return () => window.removeEventListener('pagehide', drop)
  }, [onClose])
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title="The signing key · shown once"
      lead={lead}
      footer={<Button onClick={onClose}>Done</Button>}
    >
      <div className="flex flex-col items-start gap-3">
        <code data-secret className="wrap-anywhere w-full rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">
          {secret}
        </code>
        <CopyButton text={secret} label="Copy key" />
      </div>
    </Dialog>
  )
}
