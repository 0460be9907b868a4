import { z } from 'zod'
import type { Secret } from '../../security/secrets.ts'
import type { ComponentPage } from '../kind.ts'
import { isUpstreamError, type PageVerdict } from '../provider.ts'
import { callerOf } from './pasted.ts'
import type { KeboolaRights } from './rights.ts'
import type { KeboolaSettings } from './settings.ts'
import type { Storage } from './storage.ts'

/**
 * Where somebody signs in at a component's own upstream, so that the component may read there (K-30). The page belongs to no
 * stack. It takes a Storage token in its address, and reads component and configuration from the fragment.
 */
export const componentPage: ComponentPage<KeboolaSettings> = {
  rights: (component): KeboolaRights => ({
    components: [component],
    buckets: {},
    manage_buckets: false,
    read_all_files: false,
    manage_tokens: false,
  }),
  url({ issuer, settings, token, component, configuration }) {
    const url = new URL(settings.componentPage)
    url.search = `${new URLSearchParams({ token: token.reveal(), sapiUrl: issuer })}`
    url.hash = `/${encodeURIComponent(component)}/${encodeURIComponent(configuration)}`
    return url.href
  },
}

/** What a component is named by that somebody has to authorize; it offers that in its own page at the stack. */
export const authorizes = 'genericDockerUI-authorization'

const Component = z.object({ flags: z.array(z.string()).default([]) })
/** Their mints succeed with less than was asked, or not at all (upstreams.md 3.3.2). */
const mayNotGrant = new Set(['guest', 'readOnly'])

/** Everything that would make the URL useless is looked at before a token is made for it (K-31). */
export async function pageVerdict(
  { ask, verify }: Storage,
  { accessToken, project, component, configuration, anyway }: PageQuestion,
): Promise<PageVerdict> {
  const as = callerOf(accessToken, project)
  const { id, isMasterToken, admin } = await verify(as)
  if (!(isMasterToken ?? admin)) return { kind: 'no_master_token', tokenId: id }
  if (mayNotGrant.has(admin?.role ?? '')) return { kind: 'role', role: admin?.role ?? '' }
  const path = `/components/${encodeURIComponent(component)}`
  const found = await orAbsent(ask('read', Component, { path, as }))
  if (!found) return { kind: 'component_unknown' }
  if (!found.flags.includes(authorizes) && !anyway) return { kind: 'component_needs_none' }
  const at = `${path}/configs/${encodeURIComponent(configuration)}`
  if (!(await orAbsent(ask('read', z.looseObject({}), { path: at, as })))) return { kind: 'configuration_unknown' }
  return { kind: 'ready' }
}

type PageQuestion = { accessToken: Secret; project: string; component: string; configuration: string; anyway: boolean }

const orAbsent = <T>(asked: Promise<T>): Promise<T | undefined> =>
  asked.catch((error: unknown) => {
    if (isUpstreamError(error) && error.status === 404) return undefined
    throw error
  })
