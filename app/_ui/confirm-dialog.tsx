'use client'
import { AlertDialog as Radix } from 'radix-ui'
import { type ReactNode, useState } from 'react'
import { type ActionResult, useAction } from './action.ts'
import { Button } from './button.tsx'
import { dialogLook, useFocusReturn } from './dialog.tsx'
import { Input, Textarea } from './field.tsx'
import { KeyValue } from './key-value.tsx'
import { ProblemNotice } from './notice.tsx'

export type ConfirmDialogProps = {
  open: boolean
  onOpenChange: (open: boolean) => void
  /** Names the object: "Revoke vk…a91f", "Revoke 12 tokens". */
  title: string
  lead: ReactNode
  /** The verb and its object. */
  confirmLabel: string
  /** "Cancel", unless going back means more. */
  cancelLabel?: string
  tone?: 'danger' | 'primary'
  /** Several objects: what the act reaches, as counts. */
  counts?: { label: string; value: ReactNode }[]
  /** Very large acts: the phrase that must be typed. */
  phrase?: string
  reason?: 'optional' | 'required'
  children?: ReactNode
  /** Runs the act; the dialog closes when it succeeds and shows the problem when not. */
  onConfirm: (input: { reason: string }) => Promise<ActionResult>
}

/** A question in proportion: simple, with counts, or with a phrase to type and a reason. Cancel holds the focus. */
export function ConfirmDialog({ open, onOpenChange, ...rest }: ConfirmDialogProps) {
  const focusReturn = useFocusReturn()
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={dialogLook.scrim} />
        <Radix.Content {...focusReturn} className={dialogLook.panel}>
          <Question {...rest} onClose={() => onOpenChange(false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

type QuestionProps = Omit<ConfirmDialogProps, 'open' | 'onOpenChange'> & { onClose: () => void }

/** Mounted per opening, so what was typed is gone the next time. */
function Question({
  title,
  lead,
  confirmLabel,
  cancelLabel = 'Cancel',
  tone = 'danger',
  counts,
  phrase,
  reason,
  children,
  onConfirm,
  onClose,
}: QuestionProps) {
  const [typed, setTyped] = useState('')
  const [why, setWhy] = useState('')
  const { busy, problem, start } = useAction(onConfirm)
  const ready = (!phrase || typed.trim() === phrase) && (reason !== 'required' || why.trim() !== '')

  return (
    <form
      className="flex min-h-0 flex-col"
      onSubmit={async (event) => {
        event.preventDefault()
        if (ready && (await start({ reason: why.trim() }))) onClose()
      }}
    >
      <div className={dialogLook.body}>
        <Radix.Title className={dialogLook.title}>{title}</Radix.Title>
        <Radix.Description asChild>
          <div className="wrap-anywhere -mt-2 text-muted">{lead}</div>
        </Radix.Description>
        {counts && <KeyValue items={counts} />}
        {children}
        {reason && (
          <Textarea
            label="Reason"
            optional={reason === 'optional'}
            hint="Kept in the activity log."
            rows={2}
            value={why}
            onChange={(event) => setWhy(event.target.value)}
          />
        )}
        {phrase && (
          <Input
            label={`Type ${phrase} to confirm`}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
          />
        )}
        <ProblemNotice problem={problem} />
      </div>
      <div className={dialogLook.footer}>
        <Radix.Cancel asChild>
          <Button>{cancelLabel}</Button>
        </Radix.Cancel>
        <Button type="submit" variant={tone} busy={busy} disabled={!ready}>
          {confirmLabel}
        </Button>
      </div>
    </form>
  )
}
