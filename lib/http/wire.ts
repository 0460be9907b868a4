import type { Operation } from './operation.ts'
import * as attempts from './wire/attempts.ts'
import * as audiences from './wire/audiences.ts'
import * as auditEvents from './wire/audit-events.ts'
import * as authorizations from './wire/authorizations.ts'
import * as clients from './wire/clients.ts'
import * as componentUrls from './wire/component-urls.ts'
import * as connections from './wire/connections.ts'
import * as freezes from './wire/freezes.ts'
import * as grants from './wire/grants.ts'
import * as instance from './wire/instance.ts'
import * as invitations from './wire/invitations.ts'
import * as leaks from './wire/leaks.ts'
import * as linkRequests from './wire/link-requests.ts'
import * as members from './wire/members.ts'
import * as notifications from './wire/notifications.ts'
import * as policy from './wire/policy.ts'
import * as projects from './wire/projects.ts'
import * as providers from './wire/providers.ts'
import * as requests from './wire/requests.ts'
import * as revocations from './wire/revocations.ts'
import * as sessions from './wire/sessions.ts'
import * as tenants from './wire/tenants.ts'
import * as tokens from './wire/tokens.ts'
import * as tools from './wire/tools.ts'
import * as trustedIssuers from './wire/trusted-issuers.ts'
import * as webhooks from './wire/webhooks.ts'

const nouns = [
  attempts,
  audiences,
  auditEvents,
  authorizations,
  clients,
  componentUrls,
  connections,
  freezes,
  grants,
  instance,
  invitations,
  leaks,
  linkRequests,
  members,
  notifications,
  policy,
  projects,
  providers,
  requests,
  revocations,
  sessions,
  tenants,
  tokens,
  tools,
  trustedIssuers,
  webhooks,
]

/** Every operation of the JSON API, by path: bundlers differ in the order in which they list a module's exports. */
export const operations: readonly Operation[] = nouns
  .flatMap((noun) => Object.values<object>({ ...noun }))
  // Beside the schemas that a noun's file exports.
  .filter((one): one is Operation => 'permission' in one)
  .sort((a, b) => (`${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1))
