'use client'
import { X } from 'lucide-react'
import { Dialog as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { dialogLook, useFocusReturn } from './dialog.tsx'

export type DrawerProps = {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  children?: ReactNode
}

/**
 * Details beside what they are of: a panel at the right, over the whole width on phones. The first Escape closes it, so nothing in
 * it may take that key for itself: no tooltips.
 */
export function Drawer({ open, onOpenChange, title, children }: DrawerProps) {
  const focusReturn = useFocusReturn()
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className={dialogLook.scrim} />
        <Radix.Content
          {...focusReturn}
          aria-describedby={undefined}
          className="fixed inset-y-0 right-0 z-50 flex w-full max-w-[520px] animate-enter flex-col border-l bg-surface outline-none"
        >
          <div className="border-b py-4 pr-14 pl-5">
            <Radix.Title className={dialogLook.title}>{title}</Radix.Title>
          </div>
          <div className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto px-5 py-4">{children}</div>
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
