'use client'
import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { cn } from './cn.ts'

export const dialogLook = {
  scrim: 'fixed inset-0 z-40 bg-scrim',
  panel:
    'fixed inset-x-0 bottom-0 z-50 mx-auto flex max-h-[92dvh] w-full max-w-[520px] animate-enter flex-col rounded-t-lg border bg-surface outline-none md:top-1/2 md:bottom-auto md:max-h-[85dvh] md:-translate-y-1/2 md:rounded-lg',
  title: 'wrap-anywhere font-semibold text-[18px] leading-6',
  body: 'flex min-h-0 flex-col gap-4 overflow-y-auto px-5 py-4',
  footer: 'flex flex-wrap justify-end gap-2 border-t px-5 py-3 pb-[max(12px,env(safe-area-inset-bottom))]',
}

export type DialogProps = {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  lead?: ReactNode
  footer?: ReactNode
  wide?: boolean
  children?: ReactNode
}

/** A modal: a sheet from below on phones. Escape and a press outside ask to close; focus goes back to where it was. */
export function Dialog({ open, onOpenChange, title, lead, footer, wide = false, children }: DialogProps) {
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={dialogLook.scrim} />
        <Radix.Content
          className={cn(dialogLook.panel, wide && 'max-w-[720px]')}
          {...(!lead && { 'aria-describedby': undefined })}
        >
          <div className="flex items-start justify-between gap-3 px-5 pt-4">
            <div className="flex min-w-0 flex-col gap-1">
              <Radix.Title className={dialogLook.title}>{title}</Radix.Title>
              {lead && <Radix.Description className="text-muted">{lead}</Radix.Description>}
            </div>
            <Radix.Close
              aria-label="Close"
              className="-mt-1 -mr-2 inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-muted hover:bg-raised hover:text-ink"
            >
              <X aria-hidden className="size-4" />
            </Radix.Close>
          </div>
          <div className={dialogLook.body}>{children}</div>
          {footer && <div className={dialogLook.footer}>{footer}</div>}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
