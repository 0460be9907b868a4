'use client'
import { useEffect } from 'react'
import { flushSync } from 'react-dom'
import { useCopyFirst } from '@/app/_ui/copy-first.tsx'
import { Dialog } from '@/app/_ui/dialog.tsx'

type Props = { secret: string; lead: string; onClose: () => void }

/** A signing key, once. Leaving the page drops it before the browser can keep the page for "back". */
export function SigningKeyDialog({ secret, lead, onClose }: Props) {
  useEffect(() => {
    const drop = () => flushSync(onClose)
    window.addEventListener('pagehide', drop)
    return () => window.removeEventListener('pagehide', drop)
  }, [onClose])
  const { buttons, close, question } = useCopyFirst({ what: 'signing key', text: secret, label: 'Copy key', onClose })
  return (
    <>
      <Dialog open onOpenChange={close} title="The signing key · shown once" lead={lead} footer={buttons}>
        <code data-secret className="wrap-anywhere rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">
          {secret}
        </code>
      </Dialog>
      {question}
    </>
  )
}
