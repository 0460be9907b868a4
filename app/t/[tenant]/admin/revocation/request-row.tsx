import { personCell } from '@/app/_features/person-link.tsx'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { Name } from '@/app/_ui/name.tsx'
import type { RequestView } from '@/lib/broker/read/requests.ts'

export const requestColumns: Column[] = [
  { key: 'what', header: 'Request' },
  { key: 'owner', header: 'Waits for' },
  { key: 'from', header: 'From', width: 'w-36', fold: true },
  { key: 'made', header: 'Began', width: 'w-28' },
  { key: 'ends', header: 'Ends', width: 'w-28' },
]

/** What somebody or something is to be let in to, in a few words. */
export function requestName({ kind, client, provider, project }: RequestView): string {
  const program = client?.name ?? 'A program'
  switch (kind) {
    case 'link':
      return `Link to ${provider?.name ?? 'a provider'}`
    case 'ask':
      return `${program} asks for ${project?.name ?? provider?.name ?? 'a link'}`
    case 'device':
      return `${program} on a device`
    case 'app':
      return program
  }
}

const states = { link: 'link begun', ask: 'asked by a program', device: 'device', app: 'app' } as const

/** Where it was begun, for what keeps no address. */
const begunAt = { link: 'a browser', ask: 'the gateway', device: 'not known', app: 'not known' } as const

/** Something that is open, as a row. */
export function requestRow(
  { tenant, names }: { tenant: string; names: Map<string, string> },
  request: RequestView,
): Row {
  const { id, kind, ownerId, approved, address } = request
  const name = requestName(request)
  return {
    id,
    label: ownerId ? `${name} of ${names.get(ownerId) ?? 'former member'}` : name,
    cells: {
      what: (
        <span className="flex min-w-0 flex-col">
          <Name text={name} />
          <span className="font-normal text-[13px] text-muted">
            {states[kind]}
            {approved && ' · allowed, not fetched yet'}
          </span>
        </span>
      ),
      owner: ownerId ? (
        personCell({ tenant, id: ownerId, name: names.get(ownerId) })
      ) : (
        <span className="text-muted">nobody yet</span>
      ),
      from: <span className="wrap-anywhere">{address ?? <span className="text-muted">{begunAt[kind]}</span>}</span>,
      made: { says: 'time', at: request.createdAt.toISOString() },
      ends: { says: 'until', at: request.expiresAt.toISOString() },
    },
  }
}
