import type { Actor } from '../actor.ts'
import type { Context } from '../context.ts'
import { BrokerError } from '../errors.ts'
import { configured, rowFor } from '../providers/index.ts'
import type { PageVerdict } from '../providers/provider.ts'
import { requireStanding } from '../store/authority.ts'
import type { Once } from '../store/idempotency.ts'
import { ground } from './ground.ts'
import { type IssuedToken, issueToken } from './issue.ts'
import type { TokenView } from './read/token.ts'
import { withAccess } from './refresh/access.ts'
import { asBrokerError } from './upstream.ts'

export type ComponentUrlInput = {
  project: string
  component: string
  configuration: string
  lifetimeSeconds: number
  /** Also where the component does not say that it is authorized by somebody. */
  anyway: boolean
  once?: Once<ComponentUrl> | undefined
}

/** The address holds the token, which exists nowhere else, so it is as secret as that. */
export type ComponentUrl = { url: string; token: TokenView }

/**
 * Makes the address at which one configuration of a component is authorized (K-30). It holds a token for that component alone,
 * made with the member's own connection: nobody needs a master token (K-32). Whatever would make the address useless is found
 * out before anything is made. The token is issued, listed, audited and revoked like any other.
 * @throws BrokerError no_component_page, missing_master_token, component_refused; as {@link issueToken}
 */
export async function makeComponentUrl(ctx: Context, actor: Actor, input: ComponentUrlInput): Promise<ComponentUrl> {
  await requireStanding(ctx, actor, 'work')
  const { component, configuration, anyway, once, lifetimeSeconds } = input
  const { project, provider, connection } = await ground(ctx, actor, input.project)
  const made = configured(rowFor(provider, project))
  if (!made) throw new BrokerError('provider_misconfigured')
  const { kind, settings } = made
  const page = kind.componentPage
  if (!page || !connection) throw new BrokerError('no_component_page')
  const verdict = await withAccess(ctx, { ...connection, provider }, async (provider, { accessToken }) =>
    provider.pageVerdict?.({ accessToken, project: project.externalId, component, configuration, anyway }),
  ).catch((error: unknown) => {
    throw asBrokerError(error)
  })
  refuse(verdict, { component, configuration })

  const toUrl = ({ token, value }: IssuedToken): ComponentUrl => ({
    token,
    url: page.url({ issuer: provider.issuer, settings, token: value, component, configuration }),
  })
  const target = `${component}/${configuration}`
  return toUrl(
    await issueToken(ctx, actor, {
      project: project.id,
      scopes: page.rights(component),
      strategy: 'mint',
      lifetimeSeconds,
      shortens: true,
      purpose: `Authorize ${target}`,
      authorizes: target,
      once: once && { claim: once.claim, keep: (issued) => once.keep(toUrl(issued)) },
    }),
  )
}

/** @throws BrokerError missing_master_token, component_refused, with the field that is wrong */
function refuse(verdict: PageVerdict | undefined, named: { component: string; configuration: string }): void {
  const { component, configuration } = named
  const refused = (fields: Partial<typeof named>, detail: string, next?: string) =>
    new BrokerError('component_refused', { detail, fields, ...(next && { next }) })
  switch (verdict?.kind) {
    case 'ready':
      return
    case undefined:
      throw new BrokerError('no_component_page')
    case 'no_master_token':
      throw new BrokerError('missing_master_token', {
        detail: `The upstream takes this connection for token ${verdict.tokenId}, which is not a master token.`,
      })
    case 'role':
      throw new BrokerError('component_refused', {
        detail: `Your role upstream is ${verdict.role}, which may not pass on the right to a component.`,
        next: 'Ask somebody with the role admin or share in that project.',
      })
    case 'component_unknown':
      throw refused({ component: 'is not in this project' }, `The project has no component ${component}.`)
    case 'component_needs_none':
      throw refused(
        { component: 'says nothing of an authorization' },
        `${component} does not say that it is authorized with an account elsewhere.`,
        'If you know that it is, ask again and say so.',
      )
    case 'configuration_unknown':
      throw refused(
        { configuration: 'is not in this project' },
        `${component} has no configuration ${configuration} in this project.`,
      )
    default:
      throw verdict satisfies never
  }
}
