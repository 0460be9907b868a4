import { approve } from '../../demo/browser.ts'
import { chooseProjects, completeLink, type LinkResult } from '../../lib/broker/link/complete.ts'
import { startLink } from '../../lib/broker/link/start.ts'
import { changeProvider } from '../../lib/broker/providers.ts'
import { revoke } from '../../lib/broker/revoke.ts'
import type { Broker, BrowserActor, Email } from './broker.ts'

type Linking = Pick<Broker, 'ctx' | 'providerOf' | 'callbackOf'>

/** Ends all that is linked in the tenant that the owner's connection to the database is in. */
export async function disconnectAll({ ctx, owner }: Pick<Broker, 'ctx' | 'owner'>, admin: BrowserActor): Promise<void> {
  const { rows } = await owner.query<{ id: string }>("SELECT id FROM connection WHERE status <> 'revoked'")
  await revoke(ctx, admin, { tokens: [], connections: rows.map(({ id }) => id) })
}

/** An admin turns on the stack's own sign-in for programs. */
export async function turnOn({ ctx, providerOf }: Linking, admin: BrowserActor, programmatic = true): Promise<void> {
  const { id } = await providerOf(admin)
  await changeProvider(ctx, admin, { providerId: id, settings: { programmatic } })
}

type Options = { connectionId?: string; deny?: boolean; flow?: string }

/** Signs in at the stack as a person would, and comes back. */
export async function signInForMany(
  { ctx, providerOf, callbackOf }: Linking,
  actor: BrowserActor,
  email: Email,
  { deny, flow = 'session', ...rest }: Options = {},
): Promise<LinkResult> {
  const provider = await providerOf(actor)
  const started = await startLink(ctx, actor, { providerId: provider.id, flow, browser: actor.browser, ...rest })
  const location = await approve(started.url, { account: email, ...(deny && { deny }) })
  return completeLink(ctx, callbackOf(location, actor))
}

/** Signs in once and chooses projects. */
export async function linkMany(
  broker: Linking,
  actor: BrowserActor,
  email: Email,
  projects: string[],
): Promise<{ tenantId: string; connectionId: string; projectId: string }> {
  const came = await signInForMany(broker, actor, email)
  if (came.kind !== 'failed' || came.error.code !== 'projects_not_chosen')
    throw new Error(`nothing is to be chosen: ${came.kind === 'failed' ? came.error.code : came.kind}`)
  const { attemptId } = came
  const made = await chooseProjects(broker.ctx, actor, { attemptId, browser: actor.browser, projects })
  return { tenantId: actor.tenantId, ...made }
}
