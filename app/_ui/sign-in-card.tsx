import type { ReactNode } from 'react'
import { Brand } from './brand.tsx'
import { cn } from './cn.ts'

export type SignInCardProps = {
  title: ReactNode
  lead?: ReactNode
  footer?: ReactNode
  /** For what is read and chosen, not only pressed. */
  wide?: boolean
  children: ReactNode
}

/** A single card in the middle of a page without navigation: sign-in, device, consent, link outcome. */
export function SignInCard({ title, lead, footer, wide = false, children }: SignInCardProps) {
  return (
    <main
      id="content"
      className={cn(
        'mx-auto flex min-h-dvh w-full flex-col justify-center gap-6 px-4 py-12',
        wide ? 'max-w-[640px]' : 'max-w-[400px]',
      )}
    >
      <Brand />
      <div className={cn('flex min-w-0 flex-col gap-6 rounded-lg border bg-surface', wide ? 'p-4 sm:p-6' : 'p-6')}>
        <div className="flex flex-col gap-1">
          <h1 className="wrap-anywhere font-semibold text-[20px] leading-7">{title}</h1>
          {lead && <p className="wrap-anywhere text-muted">{lead}</p>}
        </div>
        {children}
      </div>
      {footer && <div className="text-[13px] text-muted">{footer}</div>}
    </main>
  )
}
