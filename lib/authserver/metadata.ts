import { scopes } from '../actor.ts'
import type { Context } from '../context.ts'

export const grantTypes = {
  authorization_code: 'authorization_code',
  refresh_token: 'refresh_token',
  device_code: 'urn:ietf:params:oauth:grant-type:device_code',
} as const

const authentication = ['none', 'client_secret_basic', 'client_secret_post']

/** RFC 8414 2: what works, and nothing else (J-09). */
export const metadata = ({ config: { origin } }: Pick<Context, 'config'>) => ({
  issuer: origin,
  authorization_endpoint: `${origin}/oauth/authorize`,
  token_endpoint: `${origin}/oauth/token`,
  device_authorization_endpoint: `${origin}/oauth/device_authorization`,
  introspection_endpoint: `${origin}/oauth/introspect`,
  revocation_endpoint: `${origin}/oauth/revoke`,
  scopes_supported: scopes,
  response_types_supported: ['code'],
  response_modes_supported: ['query'],
  grant_types_supported: Object.values(grantTypes),
  token_endpoint_auth_methods_supported: authentication,
  introspection_endpoint_auth_methods_supported: authentication.filter((one) => one !== 'none'),
  revocation_endpoint_auth_methods_supported: authentication,
  code_challenge_methods_supported: ['S256'],
  authorization_response_iss_parameter_supported: true,
})
