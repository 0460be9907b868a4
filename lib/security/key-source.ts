import { type Location, open, seal, sealKey } from './seal.ts'
import type { Secret } from './secrets.ts'

/**
 * A key that wraps data keys. It is something that seals and opens, not bytes: a key management service gives none away,
 * and its two verbs are calls to it.
 */
export type InstanceKey = {
  /** Stored beside what it wraps; never used again for another key. */
  id: string
  seal(location: Location, value: Secret | string): Promise<string>
  /** @throws UnsealError */
  open(location: Location, sealed: string): Promise<Secret>
}

/** Where instance keys come from. */
export type KeySource = {
  /** At least one; the first is current and wraps, all of them open. */
  list(): Promise<readonly InstanceKey[]>
}

/** The keys of VALETKEY_KEYS, in its order. Imported once; the bytes cannot be exported again. */
export function environmentKeys(entries: readonly { id: string; bytes: Uint8Array }[]): KeySource {
  const keys = Promise.all(
    entries.map(async ({ id, bytes }): Promise<InstanceKey> => {
      const key = await sealKey(id, bytes)
      return {
        id,
        seal: (location, value) => seal(key, location, value),
        open: (location, sealed) => open(key, location, sealed),
      }
    }),
  )
  return { list: () => keys }
}
