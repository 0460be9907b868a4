import type { Operation } from './operation.ts'
import * as activity from './wire/activity.ts'
import * as freezes from './wire/freezes.ts'
import * as instance from './wire/instance.ts'
import * as links from './wire/links.ts'
import * as notifications from './wire/notifications.ts'
import * as projects from './wire/projects.ts'
import * as providers from './wire/providers.ts'
import * as revocations from './wire/revocations.ts'
import * as tenants from './wire/tenants.ts'
import * as tokens from './wire/tokens.ts'
import * as webhooks from './wire/webhooks.ts'

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
