'use client'
import ErrorPage from './error.tsx'
import './globals.css'

type Props = { error: Error & { digest?: string }; reset: () => void }

/** Stands in for the root layout when that one fails. */
export default function GlobalError(props: Props) {
  return (
    <html lang="en">
      <body className="font-sans">
        <title>Valetkey</title>
        <ErrorPage {...props} />
      </body>
    </html>
  )
}
