'use client'
import { useEffect } from 'react'
import { flushSync } from 'react-dom'
import { useCopyFirst } from './copy-first.tsx'
import { Dialog } from './dialog.tsx'

type Props = {
  value: string
  /** Names it: "signing key", "secret". */
  what: string
  /** Of the button: "Copy key". */
  label: string
  title: string
  lead: string
  onClose: () => void
}

/** What a server is given, once. Leaving the page drops it before the browser can keep the page for "back". */
export function ShownOnceDialog({ value, what, label, title, lead, onClose }: Props) {
  useEffect(() => {
    const drop = () => flushSync(onClose)
    window.addEventListener('pagehide', drop)
    return () => window.removeEventListener('pagehide', drop)
  }, [onClose])
  const { buttons, close, question } = useCopyFirst({ what, text: value, label, onClose })
  return (
    <>
      <Dialog open onOpenChange={close} title={`${title} · shown once`} lead={lead} footer={buttons}>
        <code data-secret className="wrap-anywhere rounded-lg bg-raised px-3 py-2 font-mono text-[13px]">
          {value}
        </code>
      </Dialog>
      {question}
    </>
  )
}
