'use client'
import { Info } from 'lucide-react'
import { Tooltip as Radix } from 'radix-ui'
import { type ReactNode, useState } from 'react'

/** Explains its one child on hover and focus. The child must be focusable and forward its ref. */
export function Tooltip({
  text,
  children,
  onPress = false,
}: {
  text: ReactNode
  children: ReactNode
  onPress?: boolean
}) {
  const [open, setOpen] = useState(false)
  // Radix hides a tooltip on press; where the press has no other meaning a finger needs it to open instead.
  const press = onPress
    ? {
        onPointerDown: (event: React.PointerEvent) => event.preventDefault(),
        onClick: (event: React.MouseEvent) => {
          event.preventDefault()
          setOpen(true)
        },
      }
    : {}
  return (
    <Radix.Provider delayDuration={300}>
      <Radix.Root open={open} onOpenChange={setOpen}>
        <Radix.Trigger asChild {...press}>
          {children}
        </Radix.Trigger>
        <Radix.Portal>
          <Radix.Content
            sideOffset={6}
            collisionPadding={8}
            className="z-50 max-w-72 rounded-lg bg-ink px-3 py-2 text-[13px] text-page leading-[18px]"
          >
            {text}
          </Radix.Content>
        </Radix.Portal>
      </Radix.Root>
    </Radix.Provider>
  )
}

/** A small "i" with an explanation; opens on hover, focus and touch. */
export function Hint({ about, children }: { about: string; children: ReactNode }) {
  return (
    <Tooltip text={children} onPress>
      <button
        type="button"
        aria-label={`About ${about}`}
        className="inline-flex size-6 items-center justify-center rounded-lg align-middle text-muted hover:text-ink"
      >
        <Info aria-hidden className="size-4" />
      </button>
    </Tooltip>
  )
}
