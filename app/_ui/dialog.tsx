'use client'
import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import { type ReactNode, useRef } from 'react'
import { cn } from './cn.ts'

export const dialogLook = {
  scrim: 'fixed inset-0 z-50 bg-scrim',
  panel:
    'fixed inset-x-0 bottom-0 z-50 mx-auto flex max-h-[92dvh] w-full max-w-[520px] animate-enter flex-col rounded-t-lg border bg-surface outline-none md:top-1/2 md:bottom-auto md:max-h-[85dvh] md:-translate-y-1/2 md:rounded-lg',
  title: 'wrap-anywhere font-semibold text-[18px] leading-6',
  body: 'flex min-h-0 flex-col gap-4 overflow-y-auto px-5 py-4',
  footer: 'flex flex-wrap justify-end gap-2 border-t px-5 py-3 pb-[max(12px,env(safe-area-inset-bottom))]',
}

/** What opened the dialog before; one that follows it finds the focus nowhere, because the button it had is gone. */
let lastOpener: Element | null = null

/**
 * Handlers that give the focus back to what had it when the dialog opened (Radix does so only for its own triggers), and
 * first to what is marked `data-first`, if something is.
 */
export function useFocusReturn() {
  const opener = useRef<Element | null>(null)
  return {
    onOpenAutoFocus: (event: Event) => {
      if (document.activeElement !== document.body) lastOpener = document.activeElement
      opener.current = lastOpener
      const first = event.target instanceof Element ? event.target.querySelector('[data-first]') : null
      if (!(first instanceof HTMLElement)) return
      event.preventDefault()
      first.focus()
    },
    onCloseAutoFocus: (event: Event) => {
      event.preventDefault()
      // The row that held the opener may be gone: then the page's content is the next best place.
      const target = opener.current?.isConnected ? opener.current : document.getElementById('content')
      if (target instanceof HTMLElement) target.focus()
    },
  }
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
  const focusReturn = useFocusReturn()
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={dialogLook.scrim} />
        <Radix.Content
          {...focusReturn}
          className={cn(dialogLook.panel, wide && 'max-w-[720px]')}
          {...(!lead && { 'aria-describedby': undefined })}
        >
          <div className="flex min-w-0 flex-col gap-1 pt-4 pr-14 pl-5">
            <Radix.Title className={dialogLook.title}>{title}</Radix.Title>
            {lead && <Radix.Description className="wrap-anywhere text-muted">{lead}</Radix.Description>}
          </div>
          <div className={dialogLook.body}>{children}</div>
          {footer && <div className={dialogLook.footer}>{footer}</div>}
          {/* Last in the order, so that opening puts the focus on what the dialog is about. */}
          <Radix.Close
            aria-label="Close"
            className="absolute top-3 right-3 inline-flex size-8 items-center justify-center rounded-lg text-muted hover:bg-raised hover:text-ink"
          >
            <X aria-hidden className="size-4" />
          </Radix.Close>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
