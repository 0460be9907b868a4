import { createHash } from 'node:crypto'
import { rootCertificates } from 'node:tls'
import type { Dispatcher } from 'undici'
import type { Discoveries } from './discovery.ts'
import type { KeySets } from './issuer-keys.ts'
import { createOutbound, type OutboundFetch, type OutboundOptions } from './outbound.ts'

/** What is read over a connection that a CA of one's own vouches for is kept apart from what everybody believes. */
type Way = {
  fetch: OutboundFetch
  discoveries: Discoveries
  keySets: KeySets
  certificateEnds: ReadonlyMap<string, Date>
  streams: Dispatcher
}

export type Trusting = {
  /** The way out that believes these certificates (PEM) beside the public ones. Verification is never off. */
  trusting: (certificates: string) => Way
  close: () => Promise<void>
}

/** More bundles than are at work in one process at the same time; the one that was not used for longest goes. */
const waysMax = 100

export function createTrusting(options: OutboundOptions): Trusting {
  const ways = new Map<string, Way & { close: () => Promise<void> }>()
  return {
    trusting(certificates) {
      const key = createHash('sha256').update(certificates).digest('hex')
      const known = ways.get(key)
      ways.delete(key)
      const way = known ?? {
        ...createOutbound({ ...options, ca: [...rootCertificates, certificates] }),
        discoveries: new Map(),
        keySets: new Map(),
      }
      ways.set(key, way)
      const [[oldest, unused] = []] = ways.size > waysMax ? ways : []
      if (oldest !== undefined) ways.delete(oldest)
      void unused?.close()
      return way
    },
    close: async () => {
      await Promise.all([...ways.values()].map((way) => way.close()))
    },
  }
}
