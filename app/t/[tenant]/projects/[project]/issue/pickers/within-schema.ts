import type { Rights } from '@/lib/providers/provider.ts'

/** Those of the rights that can be asked for in a way, whose schema it is: a picker keeps more, for when another way is chosen. */
export function withinSchema(rights: Rights, { properties }: Record<string, unknown>): Rights {
  if (typeof properties !== 'object' || properties === null) return rights
  return Object.fromEntries(Object.entries(rights).filter(([name]) => Object.hasOwn(properties, name)))
}
