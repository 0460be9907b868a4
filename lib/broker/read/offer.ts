import { z } from 'zod'
import type { Actor } from '../../actor.ts'
import type { Context } from '../../context.ts'
import { configured } from '../../providers/index.ts'
import type { Sample, Strategy, StrategyOffer } from '../../providers/kind.ts'
import { readTenant } from '../../store/database.ts'
import { findProject, viewerOf } from '../../store/projects.ts'
import { findProvider } from '../../store/providers.ts'

/** What the form for a token needs to know of the provider. */
export type IssueOffer = {
  kind: string
  /** Undefined: it cannot make limited tokens; `offers` says why. */
  strategy: Strategy | undefined
  offers: StrategyOffer[]
  samples: Sample[]
  /** Whether one token can be ended at the upstream before its own end. */
  endsTokens: boolean
  /** JSON Schema of the rights, for a form that knows nothing else of them. */
  schema: Record<string, unknown>
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
  const made = provider && configured(provider)
  if (!project || !made) return undefined
  const { kind, strategy, offers, settings } = made
  const samples = kind.samples({ baseUrl: kind.baseUrl?.(project) ?? provider.issuer, branch }, token)
  return {
    kind: kind.name,
    strategy,
    offers,
    samples,
    endsTokens: kind.endsTokens(settings),
    // Without what zod hides in it: a page hands it to the browser.
    schema: { ...z.toJSONSchema(kind.rights, { io: 'input' }) },
  }
}
