import { keboolaSetup } from './keboola.tsx'
import { keycloakSetup } from './keycloak.tsx'
import { mcpSetup } from './mcp.tsx'
import { oauthSetup } from './oauth.tsx'
import type { SetupForm } from './setup-form.ts'

/** Forms by the name of the kind, one line each; kinds without one are asked for their address. */
export const setupForms: Partial<Record<string, SetupForm>> = {
  keboola: keboolaSetup,
  oauth: oauthSetup,
  keycloak: keycloakSetup,
  mcp: mcpSetup,
}
