import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from '../../lib/actor.ts'
import { activity } from '../../lib/audit/list.ts'
import { seedDemo } from '../../lib/broker/demo.ts'
import { changeMember, removeMember } from '../../lib/broker/end.ts'
import { callbackKeyOf, changeProvider, createProvider, providerList } from '../../lib/broker/providers.ts'
import { tenantsOf } from '../../lib/store/lookups.ts'
import { withInstance } from '../../lib/store/system.ts'
import { ensureUser } from '../../lib/store/users.ts'
import {
  acceptInvitation,
  invitationPage,
  invitationPreview,
  invite,
  withdrawInvitation,
} from '../../lib/tenancy/invitations.ts'
import { memberList } from '../../lib/tenancy/members.ts'
import { createTenant } from '../../lib/tenancy/tenants.ts'
import { type Broker, startBroker } from '../support/broker.ts'

let broker: Broker
let owner: Actor
let member: Actor
beforeAll(async () => {
  broker = await startBroker()
  owner = await broker.actorOf('owner@acme.test')
  member = await broker.actorOf('member@acme.test')
})
afterAll(() => broker.stop())

const person = async (subject: string) => {
  const identity = { issuer: broker.ctx.config.signin.issuer, subject, name: subject, email: null }
  const user = await withInstance(broker.ctx, (tx) => ensureUser(tx, identity, broker.ctx.now()))
  return { userId: user.id, credential: { kind: 'cookie' as const, session: await broker.sessionOf(user.id) } }
}

describe('tenants', () => {
  it('only the operator makes tenants, unless the instance is open, and becomes the owner', async () => {
    const founder = await person('founder')
    await expect(
      createTenant(broker.ctx, { ...founder, operator: false }, { name: 'New', slug: 'new-one' }),
    ).rejects.toMatchObject({ code: 'forbidden' })
    await createTenant(broker.ctx, { ...founder, operator: true }, { name: 'New', slug: 'new-one' })
    expect(await tenantsOf(broker.ctx, founder)).toMatchObject([{ slug: 'new-one', role: 'owner' }])
    await expect(
      createTenant(broker.ctx, { ...founder, operator: true }, { name: 'Again', slug: 'new-one' }),
    ).rejects.toMatchObject({ code: 'slug_taken' })
    // An address of our own pages would be one of theirs.
    await expect(
      createTenant(broker.ctx, { ...founder, operator: true }, { name: 'Api', slug: 'api' }),
    ).rejects.toMatchObject({ code: 'slug_taken' })
  })
})

describe('members', () => {
  /** Somebody who came by an invitation into this role. */
  const guestAs = async (subject: string, role: 'owner' | 'admin') => {
    const guest = await person(subject)
    const { secret } = await invite(broker.ctx, owner, { role })
    await acceptInvitation(broker.ctx, guest, secret.reveal())
    return guest
  }

  it('a tenant keeps an owner, whoever asks and however many ask at once', async () => {
    await expect(changeMember(broker.ctx, owner, { userId: owner.userId, role: 'admin' })).rejects.toMatchObject({
      code: 'last_owner',
    })
    await changeMember(broker.ctx, owner, { userId: member.userId, role: 'owner' })
    const both = await Promise.allSettled([
      changeMember(broker.ctx, owner, { userId: owner.userId, role: 'admin' }),
      changeMember(broker.ctx, { ...member, role: 'owner' }, { userId: member.userId, role: 'member' }),
    ])
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    const roles = (await memberList(broker.ctx, owner)).map(({ role }) => role)
    expect(roles.filter((role) => role === 'owner')).toHaveLength(1)
    const remaining = (await memberList(broker.ctx, owner)).find(({ role }) => role === 'owner')
    const acting = remaining?.userId === owner.userId ? owner : member
    await changeMember(broker.ctx, acting, { userId: owner.userId, role: 'owner' })
    await changeMember(broker.ctx, owner, { userId: member.userId, role: 'member' })
  })

  it('admins do not make or unmake owners; members change nobody', async () => {
    const admin = await broker.actorOf('member@acme.test', { role: 'admin' })
    await expect(changeMember(broker.ctx, admin, { userId: owner.userId, status: 'suspended' })).rejects.toMatchObject({
      code: 'forbidden',
    })
    await expect(changeMember(broker.ctx, admin, { userId: member.userId, role: 'owner' })).rejects.toMatchObject({
      code: 'forbidden',
    })
    await changeMember(broker.ctx, owner, { userId: member.userId, role: 'member' })
    // The role that the caller says to have plays no part.
    for (const claimed of [member, admin, { ...member, role: 'owner' as const }])
      await expect(changeMember(broker.ctx, claimed, { userId: owner.userId, role: 'member' })).rejects.toMatchObject({
        code: 'forbidden',
      })
  })

  it('Z-01: an admin neither demotes nor removes an owner, nor invites one', async () => {
    const second = await guestAs('second-owner', 'owner')
    const admin = { ...owner, ...(await guestAs('an-admin', 'admin')), role: 'admin' as const }
    for (const refused of [
      () => changeMember(broker.ctx, admin, { userId: second.userId, role: 'member' }),
      () => removeMember(broker.ctx, admin, { userId: second.userId }),
      () => invite(broker.ctx, admin, { role: 'owner' }),
    ])
      await expect(refused()).rejects.toMatchObject({ code: 'forbidden' })
    await invite(broker.ctx, admin, { role: 'admin' })
    await removeMember(broker.ctx, owner, { userId: admin.userId })
    await removeMember(broker.ctx, owner, { userId: second.userId })
  })

  it('A-04: an owner who is suspended is none of those of whom one stays', async () => {
    const second = await guestAs('resting-owner', 'owner')
    await changeMember(broker.ctx, owner, { userId: second.userId, status: 'suspended' })
    await expect(changeMember(broker.ctx, owner, { userId: owner.userId, role: 'admin' })).rejects.toMatchObject({
      code: 'last_owner',
    })
    await removeMember(broker.ctx, owner, { userId: second.userId })
  })

  it('Z-06: an invitation neither lets somebody back in who is suspended, nor raises who is a member', async () => {
    const guest = await guestAs('resting-admin', 'admin')
    const { userId, credential } = guest
    for (const status of ['suspended', 'active'] as const) {
      await changeMember(broker.ctx, owner, { userId, status })
      const { secret } = await invite(broker.ctx, owner, { role: 'owner' })
      // The tenant refuses the sessions that they had.
      const session = await broker.sessionOf(userId)
      await acceptInvitation(broker.ctx, { ...guest, credential: { ...credential, session } }, secret.reveal())
      const found = (await memberList(broker.ctx, owner)).find((one) => one.userId === userId)
      expect(found).toMatchObject({ role: 'admin', status })
    }
    await removeMember(broker.ctx, owner, { userId })
  })

  it('an invitation makes one person a member, once, and its secret is stored as a hash', async () => {
    const { secret, invitation } = await invite(broker.ctx, owner, { role: 'auditor', note: 'for the audit' })
    const guests = await Promise.all(['guest-a', 'guest-b'].map(person))
    const accepted = await Promise.allSettled(
      guests.map((guest) => acceptInvitation(broker.ctx, guest, secret.reveal())),
    )
    expect(accepted.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect((await memberList(broker.ctx, owner)).filter(({ role }) => role === 'auditor')).toHaveLength(1)
    expect((await invitationPage(broker.ctx, owner)).items.map(({ id }) => id)).not.toContain(invitation.id)
    await expect(withdrawInvitation(broker.ctx, owner, invitation.id)).rejects.toMatchObject({ code: 'not_found' })
    const { rows } = await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false), * FROM invitation`, [
      owner.tenantId,
    ])
    expect(JSON.stringify(rows)).not.toContain(secret.reveal())
  })

  it('a withdrawn, expired or made-up invitation admits nobody', async () => {
    const guest = await person('guest-c')
    const withdrawn = await invite(broker.ctx, owner, { role: 'member' })
    await withdrawInvitation(broker.ctx, owner, withdrawn.invitation.id)
    const expired = await invite(broker.ctx, owner, { role: 'member' })
    await broker.advance(8 * 86_400)
    for (const secret of [withdrawn.secret.reveal(), expired.secret.reveal(), 'vk_inv_made-up'])
      await expect(acceptInvitation(broker.ctx, guest, secret)).rejects.toMatchObject({ code: 'invitation_unknown' })
    expect(await tenantsOf(broker.ctx, guest)).toEqual([])
  })

  it('a link tells its holder the tenant, the role and how it stands: open, used, too old, or its maker lost the right', async () => {
    const preview = (secret: string) => invitationPreview(broker.ctx, secret)
    const used = (await invite(broker.ctx, owner, { role: 'auditor' })).secret.reveal()
    expect(await preview(used)).toMatchObject({ tenantName: 'Acme', role: 'auditor', state: 'open' })
    await acceptInvitation(broker.ctx, await person('guest-d'), used)
    expect(await preview(used)).toMatchObject({ state: 'used' })

    await changeMember(broker.ctx, owner, { userId: member.userId, role: 'admin' })
    const made = (await invite(broker.ctx, { ...member, role: 'admin' }, { role: 'member' })).secret.reveal()
    // Behind the back of whoever would withdraw it: the look-up asks for the maker's rights itself.
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
    for (const [role, status, state] of [
      ['admin', 'active', 'open'],
      ['member', 'active', 'over'],
      ['admin', 'suspended', 'over'],
      ['admin', 'removed', 'over'],
      ['admin', 'active', 'open'],
    ]) {
      const change = 'UPDATE member SET role = $2, status = $3 WHERE user_id = $1'
      await broker.owner.query(change, [member.userId, role, status])
      expect(await preview(made)).toMatchObject({ role: 'member', state })
    }
    await broker.advance(8 * 86_400)
    expect(await preview(made)).toMatchObject({ state: 'over' })
    await expect(preview('vk_inv_made-up')).rejects.toMatchObject({ code: 'invitation_unknown' })
    await changeMember(broker.ctx, owner, { userId: member.userId, role: 'member' })
  })
})

describe('providers', () => {
  const stack = {
    kind: 'keboola',
    name: 'Stack',
    issuer: 'https://connection.example.com',
    clientId: 'valetkey',
    clientSecret: 'the-stack-secret',
  } as const

  it('L-07 L-08: the key of a redirect URI carries 128 bits of its issuer, and stays what was registered with', async () => {
    const issuer = 'https://keys.example.com'
    const view = await createProvider(broker.ctx, owner, { ...stack, issuer })
    const digest = createHash('sha256').update(issuer).digest('hex')
    const [, key = ''] = /\/oauth\/callback\/keys-example-com-([0-9a-f]+)$/.exec(view.redirectUri) ?? []
    expect(key.length * 4).toBeGreaterThanOrEqual(128)
    expect(digest.startsWith(key)).toBe(true)
    // One that was made before goes on with the shorter key that is registered upstream.
    const short = `keys-example-com-${digest.slice(0, 8)}`
    await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false)`, [owner.tenantId])
    await broker.owner.query('UPDATE provider SET callback_key = $1 WHERE id = $2', [short, view.id])
    const changed = await changeProvider(broker.ctx, owner, { providerId: view.id, name: 'Renamed' })
    expect(changed.redirectUri).toBe(`http://localhost:3000/oauth/callback/${short}`)
  })

  it('the demo’s own are made once: another boot finds both, seals nothing and adds nothing', async () => {
    const all = async () =>
      (await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false), * FROM provider`, [owner.tenantId]))
        .rows
    const before = await all()
    const keys = { list: () => Promise.reject(new Error('a key was asked for')) }
    await seedDemo({ ...broker.ctx, keys, tenantKeys: new Map() })
    expect(await all()).toEqual(before)
  })

  it('a client secret is sealed, never shown, and replaced by writing a new one', async () => {
    const view = await createProvider(broker.ctx, owner, stack)
    expect(view).toMatchObject({
      hasSecret: true,
      redirectUri: `http://localhost:3000/oauth/callback/${callbackKeyOf(stack.issuer)}`,
    })
    await changeProvider(broker.ctx, owner, {
      providerId: view.id,
      clientSecret: 'another-secret',
      maxLifetimeSeconds: 600,
    })
    const { rows } = await broker.owner.query(`SELECT set_config('app.tenant_id', $1, false), * FROM provider`, [
      owner.tenantId,
    ])
    expect(JSON.stringify([rows, await providerList(broker.ctx, owner)])).not.toMatch(/the-stack-secret|another-secret/)
    await expect(createProvider(broker.ctx, owner, stack)).rejects.toMatchObject({ code: 'provider_exists' })
  })

  it.each([
    'http://connection.example.com',
    'https://connection.example.com/path',
    'https://user@connection.example.com',
    'file:///etc/passwd',
    'nonsense',
  ])('an issuer that may not be used is refused: %s', async (issuer) => {
    await expect(createProvider(broker.ctx, owner, { ...stack, issuer })).rejects.toMatchObject({
      code: 'bad_request',
      fields: { issuer: expect.any(String) },
    })
  })

  it('another tenant neither sees nor changes it', async () => {
    const [known] = await providerList(broker.ctx, owner)
    const stranger = await broker.actorOf('owner@globex.test')
    expect((await providerList(broker.ctx, stranger)).map(({ id }) => id)).not.toContain(known?.id)
    await expect(
      changeProvider(broker.ctx, stranger, { providerId: known?.id ?? '', name: 'Mine' }),
    ).rejects.toMatchObject({ code: 'not_found' })
  })
})

describe('activity', () => {
  it('members see their own acts, who oversees the tenant sees all', async () => {
    const all = await activity(broker.ctx, owner)
    expect(all.items.map(({ action }) => action)).toEqual(
      expect.arrayContaining(['member.changed', 'invitation.created', 'provider.created']),
    )
    expect((await activity(broker.ctx, member)).items.every(({ actorId }) => actorId === member.userId)).toBe(true)
  })
})
