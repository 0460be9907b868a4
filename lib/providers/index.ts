import { KeboolaSettings, keboola } from './keboola.ts'
import { openid } from './openid.ts'
import type { Provider, ProviderDeps, ProviderSettings } from './provider.ts'
import { UpstreamError } from './provider.ts'

/** Seconds for which an upstream still answers a refresh token that was used before, where that is known; 0 where not. */
export function refreshGraceSeconds({ kind, settings }: { kind: string; settings: unknown }): number {
  if (kind !== 'keboola') return 0
  const parsed = KeboolaSettings.safeParse(settings)
  return parsed.success ? parsed.data.refreshGraceSeconds : 0
}

/** The provider that a row describes. */
export function providerFor(settings: ProviderSettings, deps: ProviderDeps): Provider {
  switch (settings.kind) {
    case 'keboola':
      return keboola(settings, deps)
    case 'oidc':
      return openid(settings, deps)
    case 'keycloak':
    case 'mcp':
      // Refused at configuration too (tenancy/providers.ts): these kinds have no way to issue yet.
      throw new UpstreamError('misconfigured', `providers of the kind ${settings.kind} are not supported yet`)
  }
}
