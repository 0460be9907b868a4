import { Secret } from '../../security/secrets.ts'
import type { Kind } from '../kind.ts'
import { openServer } from '../oauth/index.ts'
import { clientProof, factsOf, type OauthSettings } from '../oauth/settings.ts'
import { newClientKey } from '../oauth/setup.ts'
import { type Provider, type ProviderDeps, type ProviderSettings, UpstreamError } from '../provider.ts'
import { serverLine } from './check.ts'
import { clientDocument, endClient, makeClient } from './registration.ts'
import { describe, McpRights, missing, narrows, summary } from './rights.ts'
import { mcpEnvironment, mcpSamples } from './samples.ts'
import { changeable, McpSettings } from './settings.ts'
import { found, McpSetup, prepare } from './setup.ts'

/** An MCP server. Its tokens never leave: who uses it goes through the gateway, with the tools that were allowed. */
export const mcpServer: Kind<McpSettings, McpRights> = {
  name: 'mcp',
  title: 'MCP server',
  issuer: { hint: 'The address of the MCP server.', placeholder: 'https://mcp.example.com/mcp' },
  settings: McpSettings,
  changeable,
  setup: { schema: McpSetup, prepare: (input, deps, here) => prepare(McpSetup.parse(input), deps, here), found },
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
  scopes: ({ authorization }) => (authorization.by === 'oauth' ? authorization.oauth.scopes : []),
  authenticatesBy: ({ authorization }) =>
    authorization.by === 'oauth'
      ? clientProof(authorization.oauth)
      : authorization.by === 'header'
        ? 'secret'
        : 'nothing',
  clientKeys: {
    make: ({ authorization }) => {
      const [present] = authorization.by === 'oauth' ? authorization.oauth.keys : []
      return newClientKey(typeof present?.alg === 'string' ? present.alg : 'ES256')
    },
    publish({ authorization }, made) {
      if (authorization.by !== 'oauth') return {}
      const { keys } = authorization.oauth
      const published = made ? [made.publicKey, ...keys.slice(0, 1)] : keys.slice(0, 1)
      return { authorization: { ...authorization, oauth: { ...authorization.oauth, keys: published } } }
    },
  },
  registration: {
    state({ authorization }, now) {
      if (authorization.by !== 'oauth' || authorization.registration === 'given') return 'none'
      const { clientEndsAt } = authorization
      // A minute early: a link takes a while.
      return clientEndsAt !== undefined && clientEndsAt * 1000 <= now.getTime() + 60_000 ? 'over' : 'stands'
    },
    isDynamic: ({ authorization }) => authorization.by === 'oauth' && authorization.registration === 'dynamic',
    make: makeClient,
    document: ({ authorization }, here) =>
      authorization.by === 'oauth' && authorization.registration === 'metadata_document'
        ? clientDocument(authorization, here)
        : undefined,
    end: endClient,
  },
  samples: ({ baseUrl }, token) => mcpSamples(baseUrl, token),
  environment: ({ baseUrl }) => mcpEnvironment(baseUrl),
  baseUrl: ({ externalId }) => externalId,
  gateway: ({ authorization, certificates, holdChangedTools }) => ({
    header:
      authorization.by === 'oauth' ? 'authorization' : authorization.by === 'header' ? authorization.name : undefined,
    shared: authorization.by === 'header',
    certificates,
    holdChangedTools,
  }),
  refreshGraceSeconds: () => 0,
  revokesGrants: true,
  endsTokens: () => false,
  ofOneAccount: true,
  findsOrphans: false,
  open,
}

const issue = async () => {
  throw new UpstreamError('misconfigured', 'tokens of this upstream are not handed out')
}

function open(row: ProviderSettings<McpSettings>, deps: ProviderDeps): Provider<McpRights> {
  const { settings } = row
  const { authorization, certificates } = settings
  const reached = { ...deps, ...(certificates && deps.trusting(certificates)) }
  if (authorization.by !== 'oauth')
    return { ...withoutTokens(settings), issue, check: async () => [await serverLine(settings, reached)] }
  const oauth: OauthSettings = { ...authorization.oauth, certificates }
  const {
    narrow: _,
    choices: __,
    sign: ___,
    stands: ____,
    ...verbs
  } = openServer({ ...row, settings: oauth }, factsOf(oauth), deps, { refreshOptional: true, namesNobody: true })
  return {
    ...verbs,
    issue,
    check: async (input) => {
      const [own, server] = await Promise.all([serverLine(settings, reached), verbs.check?.(input) ?? []])
      return [own, ...server]
    },
  }
}

/** How long what never ends is taken to stand until somebody looks again. */
const standingSeconds = 24 * 3600
/** In the place of a token: there is none, and what a header holds belongs to the provider. */
const noToken = () => new Secret('-')

/**
 * A server that is told who calls by nothing, or by the provider's own header. Linking goes through the same attempt and the
 * same callback as everywhere, without a page of anybody else: the browser is sent straight back.
 */
function withoutTokens({ url, title, authorization }: McpSettings) {
  const grant = () => ({
    accessToken: noToken(),
    expiresInSeconds: standingSeconds,
    refreshToken: noToken(),
    scopes: [],
  })
  const account =
    authorization.by === 'header'
      ? { id: 'shared', name: 'one key for everybody' }
      : { id: 'nobody', name: 'no account' }
  return {
    async authorizationUrl({ state, redirectUri }: { state: string; redirectUri: string }) {
      const back = new URL(redirectUri)
      back.searchParams.set('state', state)
      return back
    },
    exchangeCode: async () => ({
      ...grant(),
      account,
      projects: [{ externalId: url, name: title ?? new URL(url).host, region: new URL(url).host, role: undefined }],
    }),
    refresh: async () => grant(),
    revoke: async () => ({ state: 'impossible' as const }),
  }
}
