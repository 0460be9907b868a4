'use client'
import { Check, Ellipsis } from 'lucide-react'
import { Slot } from 'radix-ui'
import { Menu as Radix } from 'radix-ui/internal'
import { type KeyboardEvent, type PointerEvent, type ReactNode, useId, useRef, useState } from 'react'
import { IconButton } from './button.tsx'
import { cn } from './cn.ts'
import Link from './link.tsx'

export type MenuItem = {
  label: string
  icon?: ReactNode
  href?: string
  onSelect?: () => void
  danger?: boolean
  disabled?: boolean
  /** Marks the present choice. */
  current?: boolean
}

export type DropdownMenuProps = {
  /** Names the menu: "Actions for vk…a91f". */
  label: string
  items: MenuItem[]
  /** A heading inside the menu. */
  heading?: ReactNode
  /** The button that opens it; an ellipsis by default. */
  trigger?: ReactNode
  align?: 'start' | 'end'
}

const itemLook =
  'flex min-h-9 w-full cursor-default items-center gap-2 rounded-[4px] px-2 py-1 outline-none data-disabled:opacity-50 data-highlighted:bg-raised [&_svg]:size-4 [&_svg]:shrink-0'

/**
 * A menu of acts. Destructive ones always stand last, behind a line. Until its button is pointed at or focused, the button is all
 * there is: a list of fifty rows has fifty menus, of which one is opened (docs/decisions/0115). So the button is ours, and
 * acts as Radix' own does.
 */
export function DropdownMenu({ label, items, heading, trigger, align = 'end' }: DropdownMenuProps) {
  const button = useRef<HTMLButtonElement>(null)
  const pending = useRef<(() => void) | null>(null)
  const id = useId()
  const [awake, setAwake] = useState(false)
  const [open, setOpen] = useState(false)
  const calm = items.filter((item) => !item.danger)
  const dangerous = items.filter((item) => item.danger)

  // The act runs once the menu is gone and its button has the focus: a dialog it opens then gives the focus back there.
  function settle(event: Event) {
    event.preventDefault()
    button.current?.focus()
    pending.current?.()
    pending.current = null
  }
  const render = (item: MenuItem) => (
    <Entry
      key={item.label}
      item={item}
      onSelect={() => {
        pending.current = item.onSelect ?? null
      }}
    />
  )
  function onPointerDown(event: PointerEvent) {
    if (event.button !== 0 || event.ctrlKey) return
    // Pressing must not take the focus from the menu that it opens.
    if (!open) event.preventDefault()
    setAwake(true)
    setOpen(!open)
  }
  function onKeyDown(event: KeyboardEvent) {
    if (!['Enter', ' ', 'ArrowDown'].includes(event.key)) return
    event.preventDefault()
    setOpen(event.key === 'ArrowDown' || !open)
  }
  return (
    <>
      <Slot.Root
        ref={button}
        id={id}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? `${id}-menu` : undefined}
        data-state={open ? 'open' : 'closed'}
        onPointerEnter={() => setAwake(true)}
        onFocus={() => setAwake(true)}
        onPointerDown={onPointerDown}
        onKeyDown={onKeyDown}
      >
        {trigger ?? <IconButton label={label} icon={<Ellipsis aria-hidden />} />}
      </Slot.Root>
      {awake && (
        <Radix.Root modal={false} open={open} onOpenChange={setOpen}>
          <Radix.Anchor virtualRef={button} />
          {/* Not in a portal: the menu stays inside the landmark of its button. */}
          <Radix.Content
            id={`${id}-menu`}
            aria-labelledby={id}
            align={align}
            sideOffset={4}
            collisionPadding={8}
            onCloseAutoFocus={settle}
            className="z-50 max-h-[70dvh] min-w-48 max-w-72 animate-enter overflow-y-auto rounded-lg border bg-surface p-1 text-left font-normal font-sans text-[14px] text-ink"
          >
            {heading && <Radix.Label className="wrap-anywhere px-2 py-2 text-[13px] text-muted">{heading}</Radix.Label>}
            {calm.map(render)}
            {calm.length > 0 && dangerous.length > 0 && <Radix.Separator className="my-1 h-px bg-line" />}
            {dangerous.map(render)}
          </Radix.Content>
        </Radix.Root>
      )}
    </>
  )
}

function Entry({ item, onSelect }: { item: MenuItem; onSelect: () => void }) {
  const className = cn(itemLook, item.danger && 'text-broken')
  const inside = (
    <>
      {item.icon}
      <span className="min-w-0 flex-1 truncate text-left">{item.label}</span>
      {item.current && <Check aria-label="current" />}
    </>
  )
  return (
    <Radix.Item asChild={Boolean(item.href)} className={className} disabled={item.disabled} onSelect={onSelect}>
      {item.href ? (
        <Link href={item.href} aria-current={item.current ? 'true' : undefined}>
          {inside}
        </Link>
      ) : (
        inside
      )}
    </Radix.Item>
  )
}
