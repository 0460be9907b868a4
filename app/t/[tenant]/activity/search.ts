import { isIP } from 'node:net'
import { tokenKinds } from '@/lib/security/secrets.ts'

/** What the one search box means: a filter by its name in the address, or why it means nothing. */
export type Searched =
  | {
      kind: 'filter'
      name: 'person' | 'project' | 'client' | 'request' | 'fingerprint' | 'address' | 'about'
      value: string
    }
  /** It may be a secret, which has no place in an address. */
  | { kind: 'token' }
  | { kind: 'nothing' }

const byPrefix = { usr: 'person', prj: 'project', cli: 'client', req: 'request' } as const
const ours = new RegExp(`^vk_(${tokenKinds.join('|')})_`)

/** A person by name, an id of anything, a fingerprint, an address, a request: whatever somebody has at hand. */
export async function search(
  text: string,
  personCalled: (name: string) => Promise<string | undefined>,
): Promise<Searched> {
  const given = text.trim()
  if (ours.test(given) || given.length > 128) return { kind: 'token' }
  const prefix = /^([a-z]{3})_[0-9a-f]{32}$/.exec(given)?.[1]
  if (prefix) return { kind: 'filter', name: byPrefix[prefix as keyof typeof byPrefix] ?? 'about', value: given }
  if (/^[0-9a-f]{12}$/i.test(given)) return { kind: 'filter', name: 'fingerprint', value: given.toLowerCase() }
  if (isIP(given)) return { kind: 'filter', name: 'address', value: given }
  const person = await personCalled(given)
  return person ? { kind: 'filter', name: 'person', value: person } : { kind: 'nothing' }
}
