import Link from 'next/link'
import { Name } from '@/app/_ui/name.tsx'

/** A member by name, for who oversees the tenant: it leads to everything that they hold here. */
export const PersonLink = ({ tenant, id, name }: { tenant: string; id: string; name: string | undefined }) =>
  name === undefined ? (
    <span className="text-muted">former member</span>
  ) : (
    <Link
      href={`/t/${tenant}/admin/members/${id}`}
      className="block rounded-sm underline decoration-edge underline-offset-4"
    >
      <Name text={name} />
    </Link>
  )
