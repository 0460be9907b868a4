import { z } from 'zod'
import type { Actor } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { BrokerError } from '../../errors.ts'
import { type Environment, plainEnvironment } from '../../providers/environment.ts'
import { configured, rowFor } from '../../providers/index.ts'
import type { Kind, NamedRules, Sample, Strategy, StrategyOffer } from '../../providers/kind.ts'
import { offersFor, sortOf } from '../../providers/rules.ts'
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
  /** Whether it dies with its connection, where that is ended upstream. */
  endsWithGrant: boolean
  /** The longest that it can live, whatever policy says; null: as policy says. */
  longestSeconds: number | null
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
  const { tenantId, userId } = actor
  const [project, provider, connection] = await readTenant(ctx, tenantId, async (tx) => {
    const project = await findProject(tx, tenantId, viewerOf(actor), id)
    if (!project) return []
    return [
      project,
      await findProvider(tx, tenantId, project.providerId),
      await findConnectionTo(tx, tenantId, userId, project.id),
    ]
  })
  const flow = connection?.flow ?? null
  return project && provider ? offerOf(ctx, actor, { project, provider, branch, flow, token }) : undefined
}

/** The same as a program reads it, with the longest life of a token. */
export type OfferView = {
  kind: string
  api: string
  strategies: StrategyOffer[]
  ways: (AnyWay & {
    strategy: Strategy
    rightsSchema: Record<string, unknown> | null
    longestSeconds: number | null
    endsAlone: boolean
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
  const flow = connection?.flow ?? null
  const offer = offerOf(ctx, actor, { project, provider, branch: named, flow, token: '' })
  if (!offer) throw new BrokerError('provider_misconfigured')
  const { kind, api, offers: strategies } = offer
  const ways = offer.ways.map((way) => ({
    strategy: way.strategy,
    tokenType: way.tokenType,
    header: way.header,
    baseUrl: way.baseUrl,
    environment: way.environment,
    rightsSchema: way.asks === 'rights' ? way.schema : null,
    longestSeconds: way.asks === 'rights' ? way.longestSeconds : null,
    endsAlone: way.asks === 'rules' || way.endsTokens,
    readOnly: way.asks === 'rules' ? way.readOnly : null,
    namedRules: way.asks === 'rules' ? way.named : [],
  }))
  return { kind, api, strategies, ways, cap }
}

type Offered = {
  project: Pick<ProjectRow, 'alias' | 'externalId' | 'settings'>
  provider: Pick<ProviderRow, 'kind' | 'settings' | 'issuer'>
  branch: string | null
  /** How the connection came about that tokens are made from. */
  flow: string | null
  token: string
}

/** The same of rows that were read already; undefined: the provider is misconfigured. */
export function offerOf(
  ctx: Pick<Context, 'config'>,
  actor: Pick<Actor, 'slug'>,
  { project, provider, branch, flow, token }: Offered,
): IssueOffer | undefined {
  const made = configured(rowFor(provider, project))
  if (!made) return undefined
  const { kind, settings } = made
  const offers = offersFor(made, flow)
  const api = kind.baseUrl?.(project) ?? provider.issuer
  const place = { slug: actor.slug, project: project.alias }
  const own = (strategy: Strategy, baseUrl: string, isOurs = false): RightsWay => {
    const sort = sortOf(kind, strategy)
    const target = { baseUrl, branch, project: project.externalId }
    return {
      asks: 'rights',
      strategy,
      tokenType: sort.tokenType,
      header: sort.header ?? bearer,
      baseUrl,
      environment: sort.environment(target, settings),
      samples: sort.samples(target, token),
      // A token of our own ends when we say so.
      endsTokens: isOurs || sort.endsTokens(settings),
      endsWithGrant: sort.endsWithGrant ?? false,
      longestSeconds: sort.longestSeconds ?? null,
      // Without what zod hides in it: a page hands it to the browser.
      schema: { ...z.toJSONSchema(sort.asks ?? kind.rights, { io: 'input' }) },
    }
  }
  return {
    kind: kind.name,
    api,
    ways: offers.flatMap(({ strategy, offered }): IssueWay[] => {
      if (!offered) return []
      if (strategy !== 'proxy') return [own(strategy, api)]
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
