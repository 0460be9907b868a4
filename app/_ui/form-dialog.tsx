'use client'
import { type ReactNode, useId } from 'react'
import type { Problem } from './action.ts'
import { Button } from './button.tsx'
import { Dialog } from './dialog.tsx'
import { ProblemNotice } from './notice.tsx'

type Props = {
  title: string
  lead: ReactNode
  submitLabel: ReactNode
  busy: boolean
  /** What came of the last try; it stands below the fields. */
  problem: Problem | null
  onClose: () => void
  onSubmit: () => void
  children: ReactNode
}

/** A dialog that is one form, open until it is cancelled or its act is done. */
export function FormDialog({ title, lead, submitLabel, busy, problem, onClose, onSubmit, children }: Props) {
  const form = useId()
  return (
    <Dialog
      open
      onOpenChange={onClose}
      title={title}
      lead={lead}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" form={form} variant="primary" busy={busy}>
            {submitLabel}
          </Button>
        </>
      }
    >
      <form
        id={form}
        className="flex flex-col gap-4"
        onSubmit={(event) => {
          event.preventDefault()
          onSubmit()
        }}
      >
        {children}
        <ProblemNotice problem={problem} />
      </form>
    </Dialog>
  )
}
