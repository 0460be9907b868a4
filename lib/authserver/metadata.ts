import { gatewayScope, grantScopes, scopes } from '../actor.ts'
import type { Context } from '../context.ts'
import { assertionAlgorithms } from '../security/client-assertion.ts'
import { proofAlgorithms } from '../security/proof.ts'
import { documentsAllowed } from '../store/lookups.ts'

export const grantTypes = {
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
  device_code: 'urn:ietf:params:oauth:grant-type:device_code',
  token_exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const

const confidential = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
const authentication = ['none', ...confidential]

/**
 * RFC 8414 2: what works, and nothing else (J-09). One for all tenants: programs that nobody registered are spoken of where one
 * tenant at least lets them in.
 */
export const metadata = async (ctx: Pick<Context, 'config' | 'pool'>) => ({
  ...served(ctx),
  ...((await documentsAllowed(ctx)) && { client_id_metadata_document_supported: true }),
})

const served = ({ config: { origin } }: Pick<Context, 'config'>) => ({
  issuer: origin,
  authorization_endpoint: `${origin}/oauth/authorize`,
  token_endpoint: `${origin}/oauth/token`,
  device_authorization_endpoint: `${origin}/oauth/device_authorization`,
  pushed_authorization_request_endpoint: `${origin}/oauth/par`,
  introspection_endpoint: `${origin}/oauth/introspect`,
  revocation_endpoint: `${origin}/oauth/revoke`,
  scopes_supported: grantScopes,
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  grant_types_supported: Object.values(grantTypes),
  token_endpoint_auth_methods_supported: authentication,
  token_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  introspection_endpoint_auth_methods_supported: confidential,
  introspection_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  revocation_endpoint_auth_methods_supported: authentication,
  revocation_endpoint_auth_signing_alg_values_supported: assertionAlgorithms,
  code_challenge_methods_supported: ['S256'],
  dpop_signing_alg_values_supported: proofAlgorithms,
  authorization_response_iss_parameter_supported: true,
  protected_resources: [origin],
})

/** RFC 9728 2: our API, as its programs learn where to get a token. */
export const resourceMetadata = ({ config: { origin } }: Pick<Context, 'config'>) => ({
  resource: origin,
  resource_name: 'Valetkey',
  authorization_servers: [origin],
  scopes_supported: scopes,
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: proofAlgorithms,
})

/** RFC 9728 2: the gateway of one MCP server. */
export const gatewayMetadata = ({ config: { origin } }: Pick<Context, 'config'>, resource: string) => ({
  resource,
  authorization_servers: [origin],
  scopes_supported: [gatewayScope],
  bearer_methods_supported: ['header'],
})
