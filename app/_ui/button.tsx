'use client'
import { cva, type VariantProps } from 'class-variance-authority'
import { LoaderCircle } from 'lucide-react'
import type { ComponentProps, ReactNode } from 'react'
import { cn } from './cn.ts'
import Link from './link.tsx'
import { Tooltip } from './tooltip.tsx'

const look = cva(
  'inline-flex shrink-0 items-center justify-center gap-2 whitespace-nowrap rounded-lg border font-semibold transition-colors duration-[120ms] disabled:opacity-50 aria-disabled:cursor-default [&_svg]:size-4 [&_svg]:shrink-0',
  {
    variants: {
      variant: {
        primary: 'border-transparent bg-accent text-on-accent hover:bg-accent-hover',
        secondary: 'border-edge bg-surface text-ink hover:bg-raised',
        ghost: 'border-transparent bg-transparent text-ink hover:bg-raised',
        danger: 'border-transparent bg-danger text-on-danger hover:bg-danger-hover',
      },
      size: { sm: 'h-8 px-3 text-[14px]', md: 'h-10 px-4 text-[14px]', icon: 'size-8 p-0' },
    },
    defaultVariants: { variant: 'secondary', size: 'md' },
  },
)

type Look = { variant?: VariantProps<typeof look>['variant']; size?: 'sm' | 'md' }

export type ButtonProps = ComponentProps<'button'> & Look & { busy?: boolean }

/** A button. While busy it keeps its focus and width and ignores presses. */
export function Button({ variant, size, busy = false, className, children, onClick, type, ...rest }: ButtonProps) {
  return (
    <button
      {...rest}
      type={type ?? 'button'}
      className={cn(look({ variant, size }), 'relative', className)}
      aria-busy={busy || undefined}
      aria-disabled={busy || rest['aria-disabled']}
      onClick={(event) => (busy ? event.preventDefault() : onClick?.(event))}
    >
      {busy && <LoaderCircle aria-hidden className="absolute animate-spin" />}
      <span className={cn('inline-flex min-w-0 items-center gap-2', busy && 'opacity-0')}>{children}</span>
    </button>
  )
}

/** A link that looks like a button. */
export function ButtonLink({ variant, size, className, ...rest }: ComponentProps<typeof Link> & Look) {
  return <Link {...rest} className={cn(look({ variant, size }), className)} />
}

export type IconButtonProps = Omit<ComponentProps<'button'>, 'aria-label'> & {
  label: string
  icon: ReactNode
  variant?: 'secondary' | 'ghost'
}

/** A square button with an icon; the label is its name and its tooltip. */
export function IconButton({ label, icon, variant = 'ghost', className, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label}>
      <button
        type="button"
        {...rest}
        aria-label={label}
        className={cn(look({ variant, size: 'icon' }), 'text-muted hover:text-ink', className)}
      >
        {icon}
      </button>
    </Tooltip>
  )
}
