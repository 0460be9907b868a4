import { notFound } from 'next/navigation'
import { EmptyState } from '@/app/_ui/empty-state.tsx'
import { PageHeader } from '@/app/_ui/page-header.tsx'
import { isBrokerError } from '@/lib/errors.ts'

/** The value, or the page for what does not exist. What is not yours does not exist either (Z-02). */
export async function orNotFound<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading
  } catch (error) {
    if (isBrokerError(error, 'not_found')) notFound()
    throw error
  }
}

/** A page that the person's role does not show. */
export function NoRight({
  title,
  role,
  who = 'Owners, admins and auditors',
}: {
  title: string
  role: string
  who?: string
}) {
  return (
    <>
      <PageHeader title={title} />
      <EmptyState
        kind="no-right"
        title="Your role does not allow this page"
        why={`Your role is ${role}. ${who} of this tenant can open this page. Ask one of them if you need something from it.`}
      />
    </>
  )
}
