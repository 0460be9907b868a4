import type { Kind } from '../kind.ts'
import { oauthServer } from '../oauth/index.ts'
import type { OauthSettings } from '../oauth/settings.ts'
import { type Provider, type ProviderDeps, type ProviderSettings, UpstreamError } from '../provider.ts'
import { describe, McpRights, missing, narrows, summary } from './rights.ts'
import { mcpEnvironment, mcpSamples } from './samples.ts'
import { changeable, McpSettings } from './settings.ts'

/** An MCP server. Its tokens never leave: who uses it goes through the gateway, with the tools that were allowed. */
export const mcpServer: Kind<McpSettings, McpRights> = {
  name: 'mcp',
  title: 'MCP server',
  issuer: { hint: 'The address of the MCP server.', placeholder: 'https://mcp.example.com/mcp' },
  settings: McpSettings,
  changeable,
  rights: McpRights,
  describe,
  summary,
  narrows,
  missing,
  strategies: () => [
    { strategy: 'mint', offered: false, reason: 'It has no API that creates tokens.' },
    { strategy: 'exchange', offered: false, reason: 'Its tokens are for it alone and are not passed on.' },
    { strategy: 'narrow', offered: false, reason: 'Its tokens are for it alone and are not passed on.' },
    {
      strategy: 'proxy',
      offered: true,
      reason: 'Calls go through the gateway, which lets pass what the token allows.',
    },
    { strategy: 'sign', offered: false, reason: 'It accepts only its own tokens.' },
  ],
  tokenType: 'Bearer',
  authenticatesBy: () => 'nothing',
  samples: ({ baseUrl }, token) => mcpSamples(baseUrl, token),
  environment: ({ baseUrl }) => mcpEnvironment(baseUrl),
  baseUrl: ({ externalId }) => externalId,
  gateway: ({ authorization, certificates, holdChangedTools }) => ({
    header:
      authorization.by === 'oauth' ? 'authorization' : authorization.by === 'header' ? authorization.name : undefined,
    certificates: certificates ?? (authorization.by === 'oauth' ? authorization.oauth.certificates : undefined),
    holdChangedTools,
  }),
  refreshGraceSeconds: () => 0,
  revokesGrants: true,
  endsTokens: () => false,
  ofOneAccount: true,
  findsOrphans: false,
  open,
}

function open(row: ProviderSettings<McpSettings>, deps: ProviderDeps): Provider<McpRights> {
  const { authorization } = row.settings
  if (authorization.by !== 'oauth') throw new UpstreamError('misconfigured', 'not yet')
  const {
    narrow: _,
    issue: __,
    choices: ___,
    ...verbs
  } = oauthServer.open({ ...row, settings: authorization.oauth } as ProviderSettings<OauthSettings>, deps)
  return {
    ...verbs,
    async issue() {
      throw new UpstreamError('misconfigured', 'tokens of this upstream are not handed out')
    },
  }
}
