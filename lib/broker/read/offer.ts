import { z } from 'zod'
import type { Actor } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { configured, rowFor } from '../../providers/index.ts'
import type { Kind, NamedRules, Sample, Strategy, StrategyOffer } from '../../providers/kind.ts'
import { readTenant } from '../../store/database.ts'
import { findProject, type ProjectRow, viewerOf } from '../../store/projects.ts'
import { findProvider, type ProviderRow } from '../../store/providers.ts'
import { proxyUrl } from '../proxy-url.ts'

/** A way to make a token, and what a form needs to ask for one that is made so. */
export type IssueWay = UpstreamWay | ProxyWay

/** The token works at the upstream itself. */
export type UpstreamWay = {
  strategy: Exclude<Strategy, 'proxy'>
  samples: Sample[]
  /** Whether one token can be ended at the upstream before its own end. */
  endsTokens: boolean
  /** JSON Schema of the rights, for a form that knows nothing else of them. */
  schema: Record<string, unknown>
}

/** The token is ours, and works through us alone. What it may do are rules (lib/providers/rules.ts). */
export type ProxyWay = {
  strategy: 'proxy'
  /** Where the API is reached; paths of its own follow. */
  baseUrl: string
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
  const baseUrl = kind.baseUrl?.(project) ?? provider.issuer
  const through = proxyUrl(ctx.config, { slug: actor.slug, project: project.alias })
  const upstream = (strategy: UpstreamWay['strategy']): UpstreamWay => ({
    strategy,
    samples: kind.samples({ baseUrl, branch }, token),
    endsTokens: kind.endsTokens(settings),
    // Without what zod hides in it: a page hands it to the browser.
    schema: { ...z.toJSONSchema(kind.rights, { io: 'input' }) },
  })
  return {
    kind: kind.name,
    api: baseUrl,
    ways: offers.flatMap(({ strategy, offered }): IssueWay[] => {
      if (!offered) return []
      return strategy === 'proxy' ? proxyWay(kind, settings, through) : [upstream(strategy)]
    }),
    offers,
  }
}

function proxyWay(kind: Kind, settings: unknown, baseUrl: string): ProxyWay[] {
  const facts = kind.proxy?.(settings)
  if (!facts) return []
  const { methodsCarryMeaning: readOnly, rules: named, never } = facts
  return [{ strategy: 'proxy', baseUrl, readOnly, named, never }]
}
