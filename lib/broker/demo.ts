import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
import { KeboolaSettings } from '../providers/keboola/settings.ts'
import { McpSettings } from '../providers/mcp/settings.ts'
import { newId } from '../security/ids.ts'
import { readTenant } from '../store/database.ts'
import { tenantBySlug } from '../store/lookups.ts'
import { upsertMember } from '../store/members.ts'
import { listProviders } from '../store/providers.ts'
import { asSystem, withInstance } from '../store/system.ts'
import { ensureUser } from '../store/users.ts'
import { foundTenant } from '../tenancy/tenants.ts'
import { addProvider, type NewProvider, preparedProvider } from './providers.ts'

/** The demo's people, as its identity provider names them. */
const people = [
  { subject: 'acct-3001', email: 'owner@acme.test', tenant: 'acme', role: 'owner' },
  { subject: 'acct-3002', email: 'member@acme.test', tenant: 'acme', role: 'member' },
  { subject: 'acct-4001', email: 'owner@globex.test', tenant: 'globex', role: 'owner' },
] as const

const tenants = [
  { slug: 'acme', name: 'Acme' },
  { slug: 'globex', name: 'Globex' },
] as const

export const demoAccounts = people.map(({ email, tenant, role }) => ({ email, tenant, role }))

type Demo = NonNullable<Config['demo']>

/** The upstreams that each of the demo's tenants starts with. */
const providersOf = (demo: Demo): (NewProvider & { issuer: string })[] => [
  {
    kind: 'keboola',
    name: 'Demo stack',
    issuer: demo.url,
    clientId: demo.clientId,
    clientSecret: demo.clientSecret,
    maxLifetimeSeconds: 2 * 3600,
    callbackKey: 'keboola-demo',
    stored: {
      issuer: demo.url,
      settings: KeboolaSettings.parse({ componentPage: `${demo.url}/external/oauth/index.html` }),
      isPublic: false,
    },
  },
  {
    kind: 'oauth',
    name: 'Demo tickets',
    // As its setup has it: by this it is known to be there.
    issuer: demo.tickets.issuer,
    clientId: demo.tickets.clientId,
    clientSecret: demo.tickets.clientSecret,
    maxLifetimeSeconds: 3600,
    callbackKey: 'tickets-demo',
    setup: ticketsSetup(demo.tickets.issuer),
  },
  ...(demo.notes ? [notesProvider(demo.notes)] : []),
]

/** Its endpoints as they are: the demo need not run yet when the product starts. */
const ticketsSetup = (issuer: string) => ({
  issuer,
  authorization_endpoint: `${issuer}/authorize`,
  token_endpoint: `${issuer}/token`,
  userinfo_endpoint: `${issuer}/userinfo`,
  jwks_uri: `${issuer}/jwks`,
  revocation_endpoint: `${issuer}/revoke`,
  client_authentication: 'basic',
  // Without it the server gives no refresh token (OIDC Core 11).
  authorization_parameters: { prompt: 'consent' },
  scopes: [
    'openid',
    'offline_access',
    { name: 'tickets:read', text: 'read tickets of your organisation', risk: 'low' },
    { name: 'tickets:write', text: 'create and change tickets', risk: 'medium' },
    { name: 'tickets:delete', text: 'delete tickets', risk: 'high' },
  ],
  narrowing: { offered: true, old_token_survives: true, revoke_keeps_grant: true, full_scope_remains: true },
  api_bases: [{ name: 'Tickets', url: `${issuer}/api` }],
  methods_carry_meaning: true,
})

/** The notes' MCP server, as its setup finds it while it runs. */
function notesProvider({ issuer, url, clientId, clientSecret }: NonNullable<Demo['notes']>) {
  const server = {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    revocation_endpoint: `${issuer}/revoke`,
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  }
  const oauth = {
    server,
    bases: [{ name: 'Demo notes', url }],
    authentication: 'basic',
    scopes: ['notes:read', 'notes:write', 'offline_access'],
    authorizationParameters: { resource: url },
    tokenParameters: { resource: url },
  }
  const authorization = { by: 'oauth', registration: 'given', servers: [issuer], oauth }
  const settings = McpSettings.parse({ url, title: 'Demo notes', authorization })
  return {
    kind: 'mcp',
    name: 'Notes server',
    issuer,
    clientId,
    clientSecret,
    maxLifetimeSeconds: 3600,
    callbackKey: 'notes-demo',
    stored: { issuer, settings, isPublic: false, clientId, clientSecret, resource: url },
  }
}

/** Makes the demo's tenants, members and providers where they are missing. Runs at every boot; changes nothing twice. */
export async function seedDemo(ctx: Context): Promise<void> {
  const { demo, signin } = ctx.config
  if (!demo) return
  for (const { slug, name } of tenants) {
    const members = people.filter((person) => person.tenant === slug)
    const users = await withInstance(ctx, async (tx) => {
      const made = []
      for (const { subject, email, role } of members)
        made.push({
          role,
          user: await ensureUser(tx, { issuer: signin.issuer, subject, name: email, email }, ctx.now()),
        })
      return made
    })
    const owner = users.find(({ role }) => role === 'owner')
    if (!owner) continue
    const known = await tenantBySlug(ctx, slug)
    const id = known ?? newId('tenant')
    if (!known)
      await asSystem(ctx, id, 'demo', async (tx) => {
        await foundTenant(ctx, tx, { userId: owner.user.id }, { id, name, slug })
        for (const { role, user } of users)
          await upsertMember(tx, { tenantId: id, userId: user.id, role, createdAt: ctx.now() })
      })
    const there = await readTenant(ctx, id, (tx) => listProviders(tx, id))
    for (const provider of providersOf(demo)) {
      if (there.some(({ issuer, clientId }) => issuer === provider.issuer && clientId === provider.clientId)) continue
      const prepared = await preparedProvider(ctx, { tenantId: id, slug }, provider)
      await asSystem(ctx, id, 'demo', (tx) => addProvider(tx, { userId: owner.user.id }, prepared))
    }
  }
}
