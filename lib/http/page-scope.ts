import { AsyncLocalStorage } from 'node:async_hooks'

/** What a page's guard and its errors leave for the response head: pages cannot set a status themselves. */
export type PageScope = { status?: number; retryAfterSeconds?: number; path?: string }

const slot = Symbol.for('valetkey.page')

/** One store per process: pages run in Next's bundle, the listener in the server's. */
export function pageScopes(): AsyncLocalStorage<PageScope> {
  const holder = globalThis as { [slot]?: AsyncLocalStorage<PageScope> }
  holder[slot] ??= new AsyncLocalStorage<PageScope>()
  return holder[slot]
}

/** What belongs to the request of the page that is being made; undefined outside of one. */
export const pageScope = (): PageScope | undefined => pageScopes().getStore()
