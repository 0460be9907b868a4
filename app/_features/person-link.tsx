import { type Content, drawn } from '@/app/_ui/said.tsx'

type Props = { tenant: string; id: string; name: string | undefined }

/** A member by name as a cell, for who oversees the tenant: it leads to everything that they hold here. */
export const personCell = ({ tenant, id, name }: Props): Content =>
  name === undefined ? (
    <span className="text-muted">former member</span>
  ) : (
    { says: 'name', text: name, href: `/t/${tenant}/admin/members/${id}` }
  )

/** The same outside a table. */
export const PersonLink = (props: Props) => drawn(personCell(props))
