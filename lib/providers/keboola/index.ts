import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Environment, envSample, plainEnvironment, promptSample } from '../environment.ts'
import {
  type Flow,
  type Kind,
  type ProxyFacts,
  type Sample,
  type Sort,
  type StrategyOffer,
  shellQuoted,
  type Target,
  throughUs,
} from '../kind.ts'
import { oauthProtocol, type Protocol } from '../oauth/protocol.ts'
import {
  isUpstreamError,
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  type RevocationOutcome,
} from '../provider.ts'
import { checkStack } from './check.ts'
import { childSecondsMax, isChild, sessionChildren } from './children.ts'
import { authorizes, componentPage, pageVerdict } from './component-page.ts'
import { facts } from './facts.ts'
import { storageTokens } from './issue.ts'
import { callerOf, pastedGrant, pastedTokens, storageTokensPasted } from './pasted.ts'
import {
  ChildRights,
  describe,
  forbids,
  KeboolaRights,
  missing,
  narrows,
  StorageRights,
  summary,
  upgrade,
} from './rights.ts'
import { reachOf } from './roles.ts'
import { stackSessions } from './session.ts'
import { sessionLine } from './session-check.ts'
import { fromSecret, isSession, isSessionAccess } from './session-credential.ts'
import { changeable, KeboolaSettings } from './settings.ts'
import { found, KeboolaSetup, prepare } from './setup.ts'
import { stackViews } from './stacks.ts'
import { Branches, Components, headersOf, Named, parseDate, storageApi } from './storage.ts'

type Row = ProviderSettings<KeboolaSettings>

/** One session of the stack's own for many projects (upstreams.md 3.4). */
const sessionFlow: Flow = {
  name: 'session',
  title: 'Once, for several projects',
  hint: 'You sign in at the stack once. Then you choose here which of your projects the connection is for.',
  revokesGrants: true,
  listsSessions: true,
}

/** What a session makes of itself for one project (docs/decisions/0111). */
const child: Sort = {
  asks: ChildRights,
  ofFlow: {
    name: sessionFlow.name,
    reason: `A connection by “${sessionFlow.title}” has it. Yours came about another way.`,
  },
  tokenType: 'Bearer',
  header: 'Authorization: Bearer {token}',
  environment: childEnvironment,
  samples: childSamples,
  longestSeconds: childSecondsMax,
  endsTokens: () => false,
  endsWithGrant: true,
  findsOrphans: false,
}

/** Keboola: League OAuth for the grant, the Storage API to make and end tokens. */
export const keboola: Kind<KeboolaSettings, KeboolaRights> = {
  name: 'keboola',
  title: 'Keboola stack',
  issuer: { hint: 'The address of the stack, without a path.', placeholder: 'https://connection.example.com' },
  settings: KeboolaSettings,
  changeable,
  setup: {
    schema: KeboolaSetup,
    prepare: (input, deps, here) => prepare(KeboolaSetup.parse(input), deps, here),
    found: (settings, issuer) => found(KeboolaSettings.parse(settings), issuer),
    presets: stackViews,
  },
  authenticatesBy: ({ client }) => (client === 'public' ? 'nothing' : 'secret'),
  rights: KeboolaRights,
  upgrade,
  describe,
  summary,
  narrows,
  missing,
  forbids,
  sorts: { mint: { asks: StorageRights }, exchange: child },
  strategies: ({ programmatic }) =>
    offers.map((offer) => (programmatic && offer.strategy === 'exchange' ? exchanged : offer)),
  tokenType: 'storage',
  header: 'X-StorageApi-Token: {token}',
  flows: ({ programmatic }) => (programmatic ? [sessionFlow] : []),
  facts: (settings) => [
    ...facts(settings),
    throughUs(proxying.methodsCarryMeaning),
    {
      label: 'Components are authorized at',
      lines: [
        { text: settings.componentPage, form: 'code', note: 'Gets a token for one component.', attention: false },
      ],
    },
  ],
  samples,
  environment,
  proxy: () => proxying,
  componentPage,
  pasted: storageTokensPasted,
  refreshGraceSeconds: (settings) => settings.refreshGraceSeconds,
  branchHint: 'The branch id. The env sample sets it as KBC_BRANCH_ID; it does not change any rights.',
  revokesGrants: false,
  endsTokens: () => true,
  tellsDead: true,
  findsOrphans: true,
  open,
}

const isOwnFlow = ({ flow }: { flow?: string | undefined }) => flow === sessionFlow.name

const proxying: ProxyFacts = {
  methodsCarryMeaning: true,
  requestHeaders: ['x-kbc-runid', 'x-kbc-branchid'],
  responseHeaders: [],
  credentialParameters: [],
  redirectHosts: [],
  // A Storage token that is made or refreshed through us would outlive the one that made it; /oauth is our own client's.
  // A session can end itself, see its others and make children, which is nobody's errand.
  never: [
    'POST,PUT,PATCH /v2/storage/tokens/**',
    'POST,PUT,PATCH /v2/storage/branch/*/tokens/**',
    '* /oauth/**',
    '* /v1/auth/**',
    '* /admin/auth/**',
  ],
  rules: [
    { name: 'tables', title: 'Read tables', paths: ['GET /v2/storage/buckets/**', 'GET /v2/storage/tables/**'] },
    { name: 'jobs', title: 'See jobs', paths: ['GET /v2/storage/jobs/**'] },
    { name: 'files', title: 'Read files', paths: ['GET /v2/storage/files/**'] },
  ],
  authority: ({ accessToken, project }) => headersOf(callerOf(accessToken, project)),
}

const offers: StrategyOffer[] = [
  { strategy: 'mint', offered: true, reason: 'The Storage API creates tokens with their own rights and expiry.' },
  {
    strategy: 'exchange',
    offered: false,
    reason: 'The stack has no token exchange (RFC 8693), and one sign-in for several projects is off.',
  },
  { strategy: 'narrow', offered: false, reason: 'Its OAuth scopes do not distinguish rights.' },
  { strategy: 'proxy', offered: true, reason: 'Requests go through Valetkey, which lets pass what the token allows.' },
  { strategy: 'sign', offered: false, reason: 'The stack accepts only its own tokens.' },
]

const exchanged: StrategyOffer = {
  strategy: 'exchange',
  offered: true,
  reason: 'A session makes a smaller token of itself, for one project, which ends within an hour or with the session.',
}

/** What people are shown; kbagent reads the token under this name. */
const shown = ({ baseUrl, branch }: Target): Environment => ({
  token: ['KBC_TOKEN'],
  values: { KBC_URL: baseUrl, ...(branch && { KBC_BRANCH_ID: branch }) },
})

/**
 * Beside that: what the MCP server reads (KBC_STORAGE_TOKEN, KBC_STORAGE_API_URL, its README), what kbc of keboola-as-code
 * reads (KBC_STORAGE_API_TOKEN, KBC_STORAGE_API_HOST), and where kbagent finds the stack (KBC_STORAGE_API_URL).
 */
function environment(target: Target): Environment {
  const { token, values } = shown(target)
  return {
    token: [...token, 'KBC_STORAGE_TOKEN', 'KBC_STORAGE_API_TOKEN'],
    values: { ...values, KBC_STORAGE_API_URL: target.baseUrl, KBC_STORAGE_API_HOST: new URL(target.baseUrl).host },
  }
}

/**
 * Each works pasted alone into a fresh POSIX shell. curl reads its header as input, because arguments are in the list of
 * processes; the prompt keeps the value out of the shell's history as well.
 */
function samples(target: Target, token: string): Sample[] {
  const verify = shellQuoted(`${target.baseUrl}/v2/storage/tokens/verify`)
  return [
    {
      id: 'curl',
      label: 'curl',
      code: [`curl --header @- ${verify} <<'END'`, `X-StorageApi-Token: ${token}`, 'END'].join('\n'),
    },
    envSample(shown(target), token),
    promptSample(shown(target)),
  ]
}

/** None of its tools is known to read a session's token from the environment, and a Storage token's name would have it sent the wrong way. */
function childEnvironment({ baseUrl, branch, project }: Target): Environment {
  const { token, values } = plainEnvironment(baseUrl)
  return { token, values: { ...values, KBC_PROJECT_ID: project, ...(branch && { KBC_BRANCH_ID: branch }) } }
}

function childSamples(target: Target, token: string): Sample[] {
  const url = shellQuoted(`${target.baseUrl}/v2/storage/tokens/verify`)
  const headers = [`Authorization: Bearer ${token}`, `X-KBC-ProjectId: ${encodeURIComponent(target.project)}`]
  const environment = childEnvironment(target)
  return [
    { id: 'curl', label: 'curl', code: [`curl --header @- ${url} <<'END'`, ...headers, 'END'].join('\n') },
    envSample(environment, token),
    promptSample(environment),
  ]
}

/** Who may not see development branches, and a stack without them, have none to choose from. */
function noneIfRefused(error: unknown): [] {
  if (isUpstreamError(error) && (error.status === 403 || error.status === 404)) return []
  throw error
}

/** The protocol as a stack speaks it. */
function speak(row: Row, deps: ProviderDeps): Protocol {
  const { issuer, clientId, settings } = row
  const { authorizePath, tokenPath, scope, league } = settings
  const secrets = [row.clientSecret, row.clientSecretBefore].flatMap((secret) =>
    secret ? [oauth.ClientSecretPost(secret.reveal())] : [],
  )
  return oauthProtocol(
    async () => ({
      // League publishes no metadata: where its endpoints are is configuration, not discovery.
      server: { issuer, authorization_endpoint: `${issuer}${authorizePath}`, token_endpoint: `${issuer}${tokenPath}` },
      client: { client_id: clientId },
      auth: [secrets[0] ?? oauth.None(), ...secrets.slice(1)],
      parameters: (scope ? { scope } : {}) as Record<string, string>,
      openid: false,
      repeatsRefresh: true,
      // League 8 words a dead refresh token as 401 invalid_request; at 9 it is no verdict on it.
      readsAsRefused: ({ status, error }) => league !== 9 && status === 401 && error === 'invalid_request',
    }),
    deps,
  )
}

/** The consent names exactly one project, which is learned from `verify` and not from the request (K-03, K-08). */
function open(row: Row, deps: ProviderDeps): Provider<KeboolaRights> {
  const { issuer, settings } = row
  const grantExpiresInSeconds = settings.refreshTokenDays * 86_400
  const storage = storageApi(issuer, deps)
  const tokens = storageTokens(storage, deps)
  const protocol = speak(row, deps)
  const pasted = pastedTokens(storage, deps)
  const sessions = stackSessions(row, deps)
  const children = sessionChildren(sessions, storage, deps)

  return {
    authorizationUrl: (input) => (isOwnFlow(input) ? sessions : protocol).authorizationUrl(input),
    tryClient: protocol.tryClient,
    async check({ redirectUri }) {
      const [lines, session] = await Promise.all([
        checkStack(row, deps, { speak, redirectUri }),
        settings.programmatic ? [sessionLine(deps, sessions, redirectUri)] : [],
      ])
      return [...lines, ...(await Promise.all(session))]
    },
    paste: pasted.paste,
    async refresh(input) {
      const token = pastedGrant(input.refreshToken)
      if (token) return input.rotate ? pasted.rotate(token) : pasted.look(token.value)
      if (isSession(input.refreshToken)) return sessions.refresh(input)
      const grant = await protocol.refresh(input)
      return { ...grant, grantExpiresInSeconds: grant.grantExpiresInSeconds ?? grantExpiresInSeconds }
    },

    async exchangeCode(input) {
      if (isOwnFlow(input)) return sessions.exchangeCode(input)
      const { subject: _, ...grant } = await protocol.exchangeCode(input)
      const { owner, admin, id: tokenId } = await storage.verify({ bearer: grant.accessToken, project: undefined })
      return {
        ...grant,
        grantExpiresInSeconds,
        account: { id: admin?.id ?? `token ${tokenId}`, name: admin?.name || `account ${admin?.id ?? tokenId}` },
        projects: [
          { externalId: owner.id, name: owner.name, region: owner.region ?? undefined, role: admin?.role ?? undefined },
        ],
      }
    },

    issue: (input) =>
      input.request.rights.read_project || input.request.rights.write_project
        ? children.issue(input)
        : tokens.issue(input),

    async revoke(target): Promise<RevocationOutcome> {
      switch (target.kind) {
        case 'grant':
          // Made elsewhere, and perhaps used elsewhere: only our copy is ours to destroy.
          if (pastedGrant(target.refreshToken)) return { state: 'impossible' }
          if (isSession(target.refreshToken)) return sessions.revoke(target.refreshToken)
          return protocol.revoke(target.refreshToken, 'refresh_token')
        case 'orphans': {
          const found = await tokens.deleteOrphans(target.accessToken, target.nonce, target.project)
          return { state: 'confirmed', found }
        }
        case 'token':
          return isSessionAccess(target.handle) ? children.end(target.handle) : tokens.endToken(target)
      }
    },

    async standing(target) {
      if (target.kind === 'token')
        return isSessionAccess(target.handle) ? children.standing(target.handle) : tokens.standing(target.handle)
      return isSession(target.refreshToken) ? sessions.standing(target.refreshToken) : 'untold'
    },

    async lastUsed({ accessToken, project, upstreamId }) {
      // The stack reports nothing of a child.
      if (isChild(upstreamId)) return undefined
      // Without the filter the list also holds events about the token, such as its own creation.
      const query = new URLSearchParams({ limit: '1', q: `token.id:${upstreamId}` })
      const [event] = await storage.ask('read', z.array(z.object({ created: z.string() })), {
        path: `/tokens/${upstreamId}/events?${query}`,
        as: callerOf(accessToken, project),
      })
      return event ? parseDate(event.created) : undefined
    },

    listSessions: ({ accessToken }) => sessions.list(accessToken),
    endSession: sessions.end,
    sessionOf: (grant) => (isSession(grant) ? fromSecret(grant).session || undefined : undefined),

    async choices({ accessToken, project }) {
      const as = callerOf(accessToken, project)
      const [verified, components, buckets, branches] = await Promise.all([
        storage.verify(as),
        storage.ask('read', Components, { path: '/components?include=configuration', as }),
        storage.ask('read', Named, { path: '/buckets', as }),
        storage.ask('read', Branches, { path: '/dev-branches', as }).catch(noneIfRefused),
      ])
      const named = (item: z.infer<typeof Named>[number]) => ({
        id: item.id,
        name: item.displayName || item.name || item.id,
      })
      return {
        components: components.map((one) => ({
          ...named(one),
          authorizes: one.flags.includes(authorizes),
          configurations: one.configurations.map(named),
        })),
        buckets: buckets.map(named),
        branches: branches.filter(({ isDefault }) => !isDefault).map(named),
        role: verified.admin?.role ?? null,
        ...reachOf(verified, settings),
      }
    },

    pageVerdict: (question) => pageVerdict(storage, question),
  }
}
