import type { ReactNode } from 'react'
import { Brand } from './brand.tsx'

export type SignInCardProps = { title: string; lead?: ReactNode; footer?: ReactNode; children: ReactNode }

/** A single card in the middle of a page without navigation: sign-in, device, link outcome. */
export function SignInCard({ title, lead, footer, children }: SignInCardProps) {
  return (
    <main id="content" className="mx-auto flex min-h-dvh w-full max-w-[400px] flex-col justify-center gap-6 px-4 py-12">
      <Brand />
      <div className="flex flex-col gap-6 rounded-lg border bg-surface p-6">
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
