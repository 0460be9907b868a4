import type { Operation } from './operation.ts'
import * as activity from './operations/activity.ts'
import * as freezes from './operations/freezes.ts'
import * as instance from './operations/instance.ts'
import * as links from './operations/links.ts'
import * as notifications from './operations/notifications.ts'
import * as projects from './operations/projects.ts'
import * as providers from './operations/providers.ts'
import * as revocations from './operations/revocations.ts'
import * as tenants from './operations/tenants.ts'
import * as tokens from './operations/tokens.ts'
import * as webhooks from './operations/webhooks.ts'

const areas = [
  instance,
  tenants,
  providers,
  links,
  freezes,
  projects,
  tokens,
  revocations,
  activity,
  notifications,
  webhooks,
]

/** Every operation of the JSON API, by path: bundlers differ in the order in which they list a module's exports. */
export const operations: readonly Operation[] = areas
  .flatMap((area) => Object.values<Operation>({ ...area }))
  .sort((a, b) => (`${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1))
