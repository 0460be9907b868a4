import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import type { Kind } from '../../../lib/providers/kind.ts'
import { oauthProtocol } from '../../../lib/providers/oauth/protocol.ts'
import {
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  UpstreamError,
} from '../../../lib/providers/provider.ts'
import { discover } from '../../../lib/security/discovery.ts'
import { clientAuth } from '../../../lib/security/oauth.ts'

const OpenidSettings = z.object({ scope: z.string().default('openid offline_access') })

/** Any OpenID issuer, known by its discovery: links, renews and ends grants, and holds the person to who linked (RR-10). */
export const openid: Kind<z.infer<typeof OpenidSettings>> = {
  name: 'oidc',
  title: 'OpenID issuer',
  issuer: { hint: '', placeholder: '' },
  settings: OpenidSettings,
  changeable: [],
  rights: z.strictObject({}),
  describe: () => [],
  summary: () => [],
  narrows: () => true,
  missing: () => [],
  strategies: () => [{ strategy: 'narrow', offered: true, reason: 'Only links and renewals are tried with it.' }],
  tokenType: 'Bearer',
  samples: () => [],
  environment: () => ({ token: ['API_TOKEN'], values: {} }),
  refreshGraceSeconds: () => 0,
  revokesGrants: true,
  endsTokens: () => false,
  findsOrphans: false,
  open,
}

function open(row: ProviderSettings<z.infer<typeof OpenidSettings>>, deps: ProviderDeps): Provider {
  const { issuer, clientId, clientSecret, settings } = row
  const { scope } = settings
  const { refresh, authorizationUrl, ...protocol } = oauthProtocol(async () => {
    const server = await discover(deps, issuer).catch((cause: unknown) => {
      throw new UpstreamError('unreached', 'the metadata of the issuer is not available', { cause })
    })
    return {
      server,
      client: { client_id: clientId },
      auth: [clientSecret ? clientAuth(server, clientSecret.reveal()) : oauth.None()] as const,
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
      return target.kind === 'grant' ? protocol.revoke(target.refreshToken, 'refresh_token') : cannotIssue()
    },
    issue: cannotIssue,
  }
}
