import type { EventFilter } from '../store/audit.ts'
import { catalogue } from './catalogue.ts'

/** As people and programs name what they look for; `action` may be the part before the dot. */
export type GivenFilter = Omit<EventFilter, 'actions'> & { action?: string | undefined }

const known = Object.keys(catalogue)

/** What acts are done to, as the first part of an action: `token`, `connection`. */
export const nouns: readonly string[] = [...new Set(known.map((action) => action.slice(0, action.indexOf('.'))))]

/** An action of a newer version is asked for as it is. */
export function toEventFilter({ action, ...rest }: GivenFilter): EventFilter {
  if (action === undefined) return rest
  return { ...rest, actions: action.includes('.') ? [action] : known.filter((one) => one.startsWith(`${action}.`)) }
}
