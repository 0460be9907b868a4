import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { discover } from '../security/discovery.ts'
import { clientAuth } from '../security/oauth.ts'
import { oidc } from './oidc.ts'
import { type Provider, type ProviderDeps, type ProviderSettings, UpstreamError } from './provider.ts'

const OpenidSettings = z.object({ scope: z.string().default('openid offline_access') })

/**
 * Any OpenID issuer, known by its discovery: links, renews and ends grants, and holds the person to who linked (RR-10).
 * It has no way to issue tokens yet, so no tenant can configure one (tenancy/providers.ts).
 */
export function openid({ issuer, clientId, clientSecret, settings }: ProviderSettings, deps: ProviderDeps): Provider {
  const { scope } = OpenidSettings.parse(settings)
  const { refresh, authorizationUrl, ...protocol } = oidc(async () => {
    const server = await discover(deps, issuer).catch((cause: unknown) => {
      throw new UpstreamError('unreached', 'the metadata of the issuer is not available', { cause })
    })
    return {
      server,
      client: { client_id: clientId },
      auth: clientSecret ? clientAuth(server, clientSecret.reveal()) : oauth.None(),
      parameters: { scope },
      openid: true,
      repeatsRefresh: false,
    }
  }, deps)
  const cannotIssue = async (): Promise<never> => {
    throw new UpstreamError('misconfigured', 'issuing tokens for this kind of provider is not supported yet')
  }
  return {
    refresh,
    authorizationUrl,
    async exchangeCode(input) {
      const { subject, ...grant } = await protocol.exchangeCode(input)
      if (!subject) throw new UpstreamError('protocol', 'the ID token names nobody')
      // What tokens of this issuer are for is not split into projects.
      const project = { externalId: issuer, name: new URL(issuer).host, region: undefined, role: undefined }
      return { ...grant, account: { id: subject, name: subject }, projects: [project] }
    },
    async revoke(target) {
      return target.kind === 'grant' ? protocol.revokeGrant(target.refreshToken) : cannotIssue()
    },
    issue: cannotIssue,
    scopeChoices: cannotIssue,
    lastUsed: cannotIssue,
  }
}
