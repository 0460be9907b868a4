import type { Context } from '../context.ts'
import type { Here } from '../providers/kind.ts'
import type { ProviderRow } from '../store/providers.ts'

export const callbackPath = (key: string) => `/oauth/callback/${key}`
/** Where the client-id metadata document of a provider's client is served. */
export const clientDocumentPath = (id: string) => `/oauth/client/${id}`
/** Where the public keys of a client that signs are served: beside it. */
export const clientKeysPath = (id: string) => `${clientDocumentPath(id)}/jwks.json`

/** What the upstream of a provider is told of us, from configuration alone (L-14). */
export const hereOf = (
  { config: { origin } }: Pick<Context, 'config'>,
  { id, callbackKey }: Pick<ProviderRow, 'id' | 'callbackKey'>,
): Here => ({
  origin,
  redirectUri: origin + callbackPath(callbackKey),
  document: origin + clientDocumentPath(id),
})
