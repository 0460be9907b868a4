import { z } from 'zod'
import type { CookieCredential, Person } from '../actor.ts'
import { record } from '../audit/record.ts'
import { readGatewayUrl } from '../broker/proxy-url.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { isStorable } from '../security/json.ts'
import { assertOutboundUrl } from '../security/outbound.ts'
import { hash } from '../security/secrets.ts'
import { clientDocumentOf, type DocumentClient, keepDocumentClient } from '../store/clients.ts'
import { readTenant } from '../store/database.ts'
import { membership } from '../store/lookups.ts'
import type { ClientDocuments } from '../store/policies.ts'
import { type ClientRow, findClient } from '../store/programs.ts'
import { asSystem } from '../store/system.ts'
import { isOnThisComputer, redirectFault } from '../tenancy/client-metadata.ts'
import { clientDocumentsOf } from '../tenancy/tenant-policy.ts'

/**
 * Programs that nobody registered (draft-ietf-oauth-client-id-metadata-document): their `client_id` is the address of a document in
 * which they say themselves what they are. Each tenant keeps a row of its own of such a program (docs/decisions/0085).
 */

/** How long what a document said counts, in milliseconds. */
const documentMilliseconds = 3_600_000
const addressMax = 500
const bodyMax = 32 * 1024
const redirectsMax = 20
const nameMax = 60

/** Whether a `client_id` is an address, and so none of those that somebody registered. */
export const isDocumentId = (id: string): boolean => id.includes('://')

/** The id under which a tenant knows the program at an address. */
export const documentClientId = (tenantId: string, document: string): string =>
  `cli_${Buffer.from(hash(`${tenantId}\n${document}`))
    .toString('hex')
    .slice(0, 32)}`

/** Whether an answer to this address is let in. */
export const letsIn = (policy: ClientDocuments, redirectUri: string | null | undefined): boolean =>
  policy === 'anywhere' || (policy === 'this_computer' && isOnThisComputer(redirectUri ?? ''))

type Asked = { client_id: string; resource?: string | undefined; redirect_uri?: string | undefined }

/**
 * The program at an address, for a person who is signed in and a member of the tenant whose gateway it wants: nobody else makes us
 * call an address (R-20). What its document says counts for an hour.
 * @throws BrokerError client_document_refused, also for a tenant that is not theirs; client_document_invalid, rate_limited
 */
export async function documentClient(
  ctx: Context,
  person: Person<CookieCredential>,
  { client_id: document, resource, redirect_uri: redirectUri }: Asked,
): Promise<ClientRow> {
  const gateway = resource === undefined ? undefined : readGatewayUrl(ctx.config, resource)
  const place = gateway && (await membership(ctx, person, gateway.slug))
  if (place?.status !== 'active' || place.refused) throw refused()
  const { tenantId } = place
  if (!letsIn(await clientDocumentsOf(ctx, tenantId), redirectUri)) throw refused()
  const id = documentClientId(tenantId, document)
  const known = await readTenant(ctx, tenantId, (tx) => clientDocumentOf(tx, tenantId, id))
  // An admin removed it: it comes back by no door.
  if (known?.endedAt || (known && known.document !== document)) throw refused()
  const age = ctx.now().getTime() - (known?.documentReadAt?.getTime() ?? 0)
  if (!known || age < 0 || age >= documentMilliseconds) {
    const said = await readDocument(ctx, document)
    const now = ctx.now()
    const kept = await asSystem(ctx, tenantId, 'document of a program', async (tx) => {
      const kept = await keepDocumentClient(tx, { tenantId, id, document, ...said }, now)
      if (kept === 'changed')
        await record(tx, tenantId, now, person, {
          action: 'client.introduced',
          outcome: 'ok',
          target: { kind: 'client', id },
          details: { document, redirect_uris: said.redirectUris.length },
        })
      return kept
    })
    if (kept === 'full')
      throw new BrokerError('rate_limited', {
        detail: 'This tenant knows as many programs that nobody registered as it can.',
        retryAfterSeconds: 3_600,
      })
  }
  const client = await findClient(ctx, id)
  if (!client) throw refused()
  return client
}

const refused = () => new BrokerError('client_document_refused')
const invalid = (cause?: unknown) => new BrokerError('client_document_invalid', { cause })

/** What is read of a document; what else is in it plays no part. `client_secret`: there can be none (draft, 4.1). */
const Document = z.object({
  client_id: z.string(),
  client_name: z.string().optional(),
  redirect_uris: z.array(z.string().max(2_000)).min(1).max(100),
  token_endpoint_auth_method: z.literal('none').optional(),
  grant_types: z.array(z.string()).optional(),
  response_types: z.array(z.string()).optional(),
  client_secret: z.never().optional(),
  client_secret_expires_at: z.never().optional(),
})

/**
 * What the program at an address says of itself. Called over the guarded way out, no redirects (F-01 to F-06); whatever is wrong
 * there is one answer (F-10).
 * @throws BrokerError client_document_invalid
 */
async function readDocument(ctx: Context, address: string): Promise<Pick<DocumentClient, 'name' | 'redirectUris'>> {
  const url = addressOf(ctx, address)
  let text: string
  try {
    const response = await ctx.fetchOutside(url, { headers: { accept: 'application/json' } })
    text = response.status === 200 ? await response.text() : ''
  } catch (error) {
    throw invalid(error)
  }
  const parsed = Document.safeParse(text.length > bodyMax ? undefined : jsonIn(text))
  if (!parsed.success) throw invalid(parsed.error)
  const {
    client_id: named,
    client_name: name,
    redirect_uris: all,
    grant_types: grants,
    response_types: types,
  } = parsed.data
  if (named !== address) throw invalid()
  if ((grants && !grants.includes('authorization_code')) || (types && !types.includes('code'))) throw invalid()
  const { origin } = ctx.config
  const redirectUris = all.filter((uri) => isStorable(uri) && !redirectFault(uri, { origin, isPublic: true }))
  if (redirectUris.length === 0) throw invalid()
  return { name: nameFor(name, url), redirectUris: redirectUris.slice(0, redirectsMax) }
}

/** As the draft (3) and our guard want an address, spelled as browsers spell it. @throws BrokerError client_document_invalid */
function addressOf(ctx: Context, address: string): URL {
  try {
    const url = assertOutboundUrl(address, ctx.config)
    if (address.length > addressMax || url.href !== address || url.pathname === '/' || url.search !== '')
      throw invalid()
    return url
  } catch (error) {
    throw invalid(error)
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** What it calls itself, and where that stands: the host is all that is known of it. */
const nameFor = (name: string | undefined, { host }: URL): string => {
  const said = [...(name ?? '').replaceAll(/[\p{C}\p{Z}]+/gu, ' ').trim()].slice(0, nameMax).join('')
  return said === '' ? host : `${said} (${host})`
}
