import { z } from 'zod'
import type { Actor } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { type Environment, plainEnvironment } from '../../providers/environment.ts'
import { configured, rowFor } from '../../providers/index.ts'
import type { Kind, NamedRules, Sample, Strategy, StrategyOffer } from '../../providers/kind.ts'
import { findConnectionTo } from '../../store/connections.ts'
import { readTenant } from '../../store/database.ts'
import { findProject, type ProjectRow, viewerOf } from '../../store/projects.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import { effectivePolicy, type LifetimeCap } from '../../tenancy/policy.ts'
import { gatewayUrl, proxyUrl } from '../proxy-url.ts'

/** A way to make a token, and what a form needs to ask for one that is made so. */
export type IssueWay = RightsWay | RulesWay

type AnyWay = {
  /** What its upstream, or the proxy, calls such a token. */
  tokenType: string
  /** The line of a request that carries it; `{token}` stands for it. */
  header: string
  /** Where the token works; paths of the API follow. */
  baseUrl: string
  /** How a program is told of it that somebody starts. */
  environment: Environment
}

/** What the token may do is said in the kind's own rights. It works at the upstream itself, or of kind `mcp` at the gateway. */
export type RightsWay = AnyWay & {
  asks: 'rights'
  strategy: Strategy
  samples: Sample[]
  /** Whether one token can be ended before its own end. */
  endsTokens: boolean
  /** JSON Schema of the rights, for a form that knows nothing else of them. */
  schema: Record<string, unknown>
}

/** The token is ours, and works through us alone. What it may do are rules (lib/providers/rules.ts). */
export type RulesWay = AnyWay & {
  asks: 'rules'
  strategy: 'proxy'
  /** Whether methods carry meaning there; else "read only" would promise what nobody keeps. */
  readOnly: boolean
  named: readonly NamedRules[]
  /** Patterns that no rule lets pass. */
  never: readonly string[]
}

/** What the form for a token needs to know of the provider. */
export type IssueOffer = {
  kind: string
  /** The address of its API, as people know it. */
  api: string
  /** The first is the one unless another is asked for. None: it cannot make limited tokens; `offers` says why. */
  ways: IssueWay[]
  offers: StrategyOffer[]
}

/** How a project's tokens are made and used; undefined: it is not there, or its provider is misconfigured. */
export async function issueOffer(
  ctx: Context,
  actor: Actor,
  { project: id, branch, token }: { project: string; branch: string | null; token: string },
): Promise<IssueOffer | undefined> {
  const [project, provider] = await readTenant(ctx, actor.tenantId, async (tx) => {
    const project = await findProject(tx, actor.tenantId, viewerOf(actor), id)
    return [project, project && (await findProvider(tx, actor.tenantId, project.providerId))]
  })
  return project && provider ? offerOf(ctx, actor, { project, provider, branch, token }) : undefined
}

/** The same as a program reads it, with the longest life of a token. */
export type OfferView = {
  kind: string
  api: string
  strategies: StrategyOffer[]
  ways: (AnyWay & {
    strategy: Strategy
    rightsSchema: Record<string, unknown> | null
    readOnly: boolean | null
    namedRules: readonly NamedRules[]
  })[]
  cap: LifetimeCap
}

/**
 * How tokens of a project are made, without asking its upstream. `branch`: instead of the connection's.
 * @throws BrokerError not_found, provider_misconfigured
 */
export async function readOffer(ctx: Context, actor: Actor, idOrAlias: string, branch?: string): Promise<OfferView> {
  const { tenantId, userId } = actor
  const { project, provider, connection, cap } = await readTenant(ctx, tenantId, async (tx) => {
    const project = await findProject(tx, tenantId, viewerOf(actor), idOrAlias)
    const provider = project && (await findProvider(tx, tenantId, project.providerId))
    if (!project || !provider) throw new BrokerError('not_found')
    const connection = await findConnectionTo(tx, tenantId, userId, project.id)
    const question = { tenantId, userId, providerId: provider.id, projectId: project.id }
    return { project, provider, connection, cap: (await effectivePolicy(tx, question)).lifetime }
  })
  const named = branch ?? connection?.branchId ?? null
  const offer = offerOf(ctx, actor, { project, provider, branch: named, token: '' })
  if (!offer) throw new BrokerError('provider_misconfigured')
  const { kind, api, offers: strategies } = offer
  const ways = offer.ways.map((way) => ({
    strategy: way.strategy,
    tokenType: way.tokenType,
    header: way.header,
    baseUrl: way.baseUrl,
    environment: way.environment,
    rightsSchema: way.asks === 'rights' ? way.schema : null,
    readOnly: way.asks === 'rules' ? way.readOnly : null,
    namedRules: way.asks === 'rules' ? way.named : [],
  }))
  return { kind, api, strategies, ways, cap }
}

type Offered = {
  project: Pick<ProjectRow, 'alias' | 'externalId' | 'settings'>
  provider: Pick<ProviderRow, 'kind' | 'settings' | 'issuer'>
  branch: string | null
  token: string
}

/** The same of rows that were read already; undefined: the provider is misconfigured. */
export function offerOf(
  ctx: Pick<Context, 'config'>,
  actor: Pick<Actor, 'slug'>,
  { project, provider, branch, token }: Offered,
): IssueOffer | undefined {
  const made = configured(rowFor(provider, project))
  if (!made) return undefined
  const { kind, offers, settings } = made
  const api = kind.baseUrl?.(project) ?? provider.issuer
  const place = { slug: actor.slug, project: project.alias }
  const own = (strategy: Strategy, baseUrl: string, endsTokens: boolean): RightsWay => ({
    asks: 'rights',
    strategy,
    tokenType: kind.tokenType,
    header: kind.header ?? bearer,
    baseUrl,
    environment: kind.environment({ baseUrl, branch }, settings),
    samples: kind.samples({ baseUrl, branch }, token),
    endsTokens,
    // Without what zod hides in it: a page hands it to the browser.
    schema: { ...z.toJSONSchema(kind.rights, { io: 'input' }) },
  })
  return {
    kind: kind.name,
    api,
    ways: offers.flatMap(({ strategy, offered }): IssueWay[] => {
      if (!offered) return []
      if (strategy !== 'proxy') return [own(strategy, api, kind.endsTokens(settings))]
      // A token of our own ends when we say so.
      if (kind.gateway) return [own(strategy, gatewayUrl(ctx.config, place), true)]
      return proxyWay(kind, settings, proxyUrl(ctx.config, place))
    }),
    offers,
  }
}

const bearer = 'Authorization: Bearer {token}'

function proxyWay(kind: Kind, settings: unknown, baseUrl: string): RulesWay[] {
  const facts = kind.proxy?.(settings)
  if (!facts) return []
  const { methodsCarryMeaning: readOnly, rules: named, never } = facts
  const environment = plainEnvironment(baseUrl)
  const way = { asks: 'rules', strategy: 'proxy', tokenType: 'Bearer', header: bearer, baseUrl, environment } as const
  return [{ ...way, readOnly, named, never }]
}
