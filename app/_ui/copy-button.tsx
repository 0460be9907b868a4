'use client'
import { Check, Copy, TriangleAlert } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Button, type ButtonProps, IconButton } from './button.tsx'

export type CopyButtonProps = {
  text: string
  /** Names the object: "Copy request id". */
  label?: string
  compact?: boolean
  onCopied?: () => void
  /** Has the focus when its dialog opens. */
  first?: boolean
} & Pick<ButtonProps, 'variant' | 'size'>

/** Copies `text`; says that it did, or that the browser refused. */
export function CopyButton({
  text,
  label = 'Copy',
  compact = false,
  onCopied,
  first,
  variant,
  size = 'sm',
}: CopyButtonProps) {
  const [outcome, setOutcome] = useState<'copied' | 'refused' | null>(null)
  useEffect(() => {
    if (!outcome) return
    const timer = setTimeout(() => setOutcome(null), 2_000)
    return () => clearTimeout(timer)
  }, [outcome])

  async function copy() {
    const done = await navigator.clipboard?.writeText(text).then(
      () => true,
      () => false,
    )
    setOutcome(done ? 'copied' : 'refused')
    if (done) onCopied?.()
  }
  const Icon = outcome === 'copied' ? Check : outcome === 'refused' ? TriangleAlert : Copy
  const word = outcome === 'copied' ? 'Copied' : outcome === 'refused' ? 'Select it and copy' : label
  return (
    <>
      {compact ? (
        <IconButton label={word} icon={<Icon aria-hidden />} onClick={copy} />
      ) : (
        <Button size={size} variant={variant} data-first={first} onClick={copy}>
          <Icon aria-hidden />
          {word}
        </Button>
      )}
      <span aria-live="polite" className="sr-only">
        {outcome ? word : ''}
      </span>
    </>
  )
}
