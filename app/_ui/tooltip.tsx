'use client'
import { Info } from 'lucide-react'
import { Tooltip as Radix, Slot } from 'radix-ui'
import {
  type MouseEvent,
  type PointerEvent,
  type ReactNode,
  type RefCallback,
  type RefObject,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from 'react'

const delayMilliseconds = 300

/**
 * Explains its one child on hover and focus. The child must be focusable and forward its ref. Until it opens, the child is all there
 * is: a page has dozens of tooltips, of which one is read (docs/decisions/0115). When to open is said here; where it stands and when it
 * goes is Radix'.
 */
export function Tooltip({
  text,
  children,
  onPress = false,
}: {
  text: ReactNode
  children: ReactNode
  onPress?: boolean
}) {
  const id = useId()
  const target = useRef<HTMLElement>(null)
  const timer = useRef(0)
  const pressed = useRef(false)
  const pointed = useRef(false)
  const [open, setOpen] = useState(false)
  useEffect(() => () => window.clearTimeout(timer.current), [])
  function show() {
    window.clearTimeout(timer.current)
    // Whichever is open hears that and closes.
    document.dispatchEvent(new CustomEvent('tooltip.open'))
    setOpen(true)
  }
  function hide() {
    window.clearTimeout(timer.current)
    setOpen(false)
  }
  // Moved, not entered: what appears beneath a pointer that rests is entered as well, and nobody has pointed at it.
  function onPointerMove({ pointerType }: PointerEvent) {
    if (pointerType === 'touch' || pointed.current) return
    pointed.current = true
    timer.current = window.setTimeout(show, delayMilliseconds)
  }
  function onPointerLeave() {
    pointed.current = false
    window.clearTimeout(timer.current)
  }
  // A press hides it; where the press has no other meaning a finger needs it to open instead.
  function onPointerDown(event: PointerEvent) {
    if (onPress) return event.preventDefault()
    hide()
    pressed.current = true
    document.addEventListener('pointerup', () => (pressed.current = false), { once: true })
  }
  function onClick(event: MouseEvent) {
    if (!onPress) return hide()
    event.preventDefault()
    show()
  }
  return (
    <>
      <Slot.Root
        ref={target}
        aria-describedby={open ? id : undefined}
        onPointerMove={onPointerMove}
        onPointerLeave={onPointerLeave}
        onPointerDown={onPointerDown}
        onClick={onClick}
        onFocus={() => pressed.current || show()}
        onBlur={hide}
      >
        {children}
      </Slot.Root>
      {open && (
        <Radix.Provider>
          <Radix.Root open onOpenChange={setOpen}>
            <Radix.Trigger asChild>
              <Stand target={target} />
            </Radix.Trigger>
            <Radix.Portal>
              <Radix.Content
                id={id}
                sideOffset={6}
                collisionPadding={8}
                className="z-50 max-w-72 rounded-lg bg-ink px-3 py-2 text-[13px] text-page leading-[18px]"
              >
                {text}
              </Radix.Content>
            </Radix.Portal>
          </Radix.Root>
        </Radix.Provider>
      )}
    </>
  )
}

/** Stands for the child, which is there already. */
function Stand({ target, ref }: { target: RefObject<HTMLElement | null>; ref?: RefCallback<HTMLElement> }) {
  useLayoutEffect(() => {
    ref?.(target.current)
  }, [ref, target])
  return null
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
