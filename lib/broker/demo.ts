import type { Config } from '../config.ts'
import type { Context } from '../context.ts'
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
const providersOf = (demo: Demo): NewProvider[] => [
  {
    kind: 'keboola',
    name: 'Demo stack',
    issuer: demo.url,
    clientId: demo.clientId,
    clientSecret: demo.clientSecret,
    maxLifetimeSeconds: 2 * 3600,
    callbackKey: 'keboola-demo',
  },
]

/** The demo's ticket service as a provider, but for its kind: any OAuth 2 or OpenID Connect server. */
export const ticketsProvider = ({ tickets }: Demo): Omit<NewProvider, 'kind'> => ({
  name: 'Demo tickets',
  issuer: tickets.issuer,
  clientId: tickets.clientId,
  clientSecret: tickets.clientSecret,
  maxLifetimeSeconds: 3600,
  callbackKey: 'tickets-demo',
})

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
      const prepared = await preparedProvider(ctx, id, provider)
      await asSystem(ctx, id, 'demo', (tx) => addProvider(tx, { userId: owner.user.id }, prepared))
    }
  }
}
