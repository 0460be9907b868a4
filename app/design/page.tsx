import { notFound } from 'next/navigation'
import { Gallery } from './gallery.tsx'

export const metadata = { title: 'Design' }

/** Every component in every state; only in development. */
export default function DesignPage() {
  if (process.env.NODE_ENV === 'production') notFound()
  return <Gallery now={new Date().toISOString()} />
}
