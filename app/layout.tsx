import { GeistMono } from 'geist/font/mono'
import { GeistSans } from 'geist/font/sans'
import type { Metadata, Viewport } from 'next'
import type { ReactNode } from 'react'
import { LeaveGate } from './_ui/leave-guard.tsx'
import { Toaster } from './_ui/toaster.tsx'
import './globals.css'

// The CSP nonce belongs to one request, so no page may be made ahead of it.
export const dynamic = 'force-dynamic'

export const metadata: Metadata = {
  title: { default: 'Valetkey', template: '%s · Valetkey' },
  description: 'Short-lived, scoped tokens from connections that stay on the server.',
  icons: { icon: '/icon.svg' },
  referrer: 'same-origin',
  robots: { index: false, follow: false },
}

export const viewport: Viewport = {
  colorScheme: 'light dark',
  themeColor: [
    { media: '(prefers-color-scheme: light)', color: '#ffffff' },
    { media: '(prefers-color-scheme: dark)', color: '#1b1816' },
  ],
}

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en" className={`${GeistSans.variable} ${GeistMono.variable}`}>
      <body className="font-sans">
        <LeaveGate />
        {children}
        <Toaster />
      </body>
    </html>
  )
}
