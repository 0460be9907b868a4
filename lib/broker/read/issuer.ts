import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import type { PublicSigningKey } from '../../security/signing.ts'
import { tenantBySlug } from '../../store/lookups.ts'
import { publishedKeys } from '../../vault/signing.ts'
import { tenantIssuer } from '../tenant-issuer.ts'

/**
 * What the verifiers of a tenant's tokens read. A tenant that makes none is not told apart from one that is not there.
 * @throws BrokerError not_found
 */
export async function tenantKeySet(ctx: Context, slug: string): Promise<{ keys: PublicSigningKey[] }> {
  const tenantId = await tenantBySlug(ctx, slug)
  const keys = tenantId === undefined ? [] : await publishedKeys(ctx, tenantId)
  if (keys.length === 0) throw new BrokerError('not_found')
  return { keys }
}

/** RFC 8414 2: only what works. @throws BrokerError not_found */
export async function tenantIssuerMetadata(ctx: Context, slug: string) {
  await tenantKeySet(ctx, slug)
  const issuer = tenantIssuer(ctx.config, slug)
  return { issuer, jwksUri: `${issuer}/jwks.json`, responseTypesSupported: [], grantTypesSupported: [] }
}
