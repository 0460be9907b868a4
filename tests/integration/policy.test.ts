// What is allowed is said in one table, at four levels; the strictest of them applies and is named.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readTenant } from '../../lib/store/database.ts'
import { effectivePolicy } from '../../lib/tenancy/policy.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { meanwhile } from '../support/meanwhile.ts'

let app: TestApp
let owner: Jar
let project: string
let place: { tenantId: string; providerId: string; projectId: string; userId: string }
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.signIn('owner@acme.test')
  project = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
  const { userId, tenantId } = await app.actorOf('owner@acme.test')
  place = { tenantId, providerId: await app.demoProvider(owner, 'acme'), projectId: project, userId }
})
afterAll(() => app.stop())
beforeEach(() => app.rows('acme', 'DELETE FROM policy'))
afterEach(() => app.forgetLimits())

type Level = 'tenant' | 'provider' | 'project' | 'person'
const say = (level: Level, field: string, value: unknown) => {
  const target = { tenant: place.tenantId, provider: place.providerId, project: place.projectId, person: place.userId }
  return app.rows(
    'acme',
    `INSERT INTO policy (tenant_id, level, target_id, ${field}) VALUES ($1, $2, $3, $4)
     ON CONFLICT (tenant_id, level, target_id) DO UPDATE SET ${field} = excluded.${field}`,
    [place.tenantId, level, target[level], value],
  )
}
const effective = () => readTenant(app.ctx, place.tenantId, (tx) => effectivePolicy(tx, place))
const refused = async (body: Record<string, unknown> = {}) => {
  const { status, body: answer } = await app.issue(owner, 'acme', project, body)
  return status === 201 ? 'issued' : [answer.code, (answer as { detail?: string }).detail]
}

describe('the effective policy', () => {
  it('is what every tenant begins with, until somebody says otherwise', async () => {
    expect(await effective()).toEqual({
      lifetime: { seconds: 28_800, setBy: 'tenant' },
      overLife: { value: 'refuse', setBy: 'tenant' },
      tokens: { value: 100, setBy: 'tenant' },
      strategies: [],
      linkRoles: [],
      issueRoles: [],
      rights: [],
      impersonates: [],
    })
  })

  it('takes the strictest of the levels, and of equal ones the narrowest', async () => {
    for (const [level, seconds] of [
      ['tenant', 36_000],
      ['provider', 900],
      ['project', 600],
      ['person', 900],
    ] as const) {
      await say(level, 'max_lifetime_seconds', seconds)
      await say(level, 'max_tokens', level === 'person' ? 7 : 9)
    }
    expect(await effective()).toMatchObject({
      lifetime: { seconds: 600, setBy: 'project' },
      tokens: { value: 7, setBy: 'person' },
    })
    await say('person', 'max_lifetime_seconds', 600)
    expect((await effective()).lifetime).toEqual({ seconds: 600, setBy: 'person' })
    // A tenant may also say more than what it begins with.
    for (const level of ['provider', 'project', 'person'] as const) await say(level, 'max_lifetime_seconds', null)
    expect((await effective()).lifetime).toEqual({ seconds: 36_000, setBy: 'tenant' })
  })

  it('permits a longer life upstream only where a level says so and none says no', async () => {
    await say('tenant', 'over_life', 'revoke_at_end')
    expect((await effective()).overLife).toEqual({ value: 'revoke_at_end', setBy: 'tenant' })
    await say('project', 'over_life', 'revoke_at_end')
    expect((await effective()).overLife).toEqual({ value: 'revoke_at_end', setBy: 'project' })
    await say('provider', 'over_life', 'refuse')
    expect((await effective()).overLife).toEqual({ value: 'refuse', setBy: 'provider' })
  })

  it('is changed with the provider, told with the project, and recorded; what is left out stays', async () => {
    const change = (body: object) => app.call(owner, 'PATCH', `/tenants/acme/providers/${place.providerId}`, body)
    expect((await change({ over_life: 'revoke_at_end' })).body).toMatchObject({ over_life: 'revoke_at_end' })
    expect((await change({ max_lifetime_seconds: 600 })).body).toMatchObject({
      over_life: 'revoke_at_end',
      max_lifetime_seconds: 600,
    })
    expect((await app.call(owner, 'GET', `/tenants/acme/projects/${project}`)).body).toMatchObject({
      cap: { seconds: 600, set_by: 'provider' },
      over_life: { value: 'revoke_at_end', set_by: 'provider' },
    })
    const events = await app.rows(
      'acme',
      `SELECT body -> 'details' ->> 'changed' AS changed FROM audit_event WHERE body ->> 'action' = 'provider.changed' ORDER BY id DESC LIMIT 2`,
    )
    expect(events.map(({ changed }) => changed)).toEqual(['["maxLifetimeSeconds"]', '["overLife"]'])
    expect((await change({ over_life: null })).body).toMatchObject({ over_life: null, max_lifetime_seconds: 600 })
    expect((await change({ over_life: 'sometimes' })).status).toBe(400)
  })

  it('Z-03: is of one tenant, and an empty list is not the same as none', async () => {
    await say('provider', 'strategies', [])
    await say('person', 'issue_roles', ['owner'])
    expect(await effective()).toMatchObject({
      strategies: [{ value: [], setBy: 'provider' }],
      issueRoles: [{ value: ['owner'], setBy: 'person' }],
      linkRoles: [],
    })
    const globex = (await app.tenantId('globex')) ?? ''
    const theirs = await readTenant(app.ctx, globex, (tx) => effectivePolicy(tx, { ...place, tenantId: globex }))
    expect(theirs.strategies).toEqual([])
  })

  it.each([
    ['a level that is none', 'level', `('$t', 'realm', 'x', NULL, NULL, NULL)`, 'policy_level'],
    ['a role that never links', 'link_roles', `('$t', 'tenant', 'x', '{auditor}', NULL, NULL)`, 'policy_roles'],
    ['a strategy that is none', 'strategies', `('$t', 'tenant', 'x', NULL, '{guess}', NULL)`, 'policy_strategies'],
    ['rights where no kind is', 'rights', `('$t', 'tenant', 'x', NULL, NULL, '{}')`, 'policy_rights'],
  ])('refuses %s', async (_, __, values, constraint) => {
    const sql = `INSERT INTO policy (tenant_id, level, target_id, link_roles, strategies, rights) VALUES ${values.replace('$t', place.tenantId)}`
    await expect(app.rows('acme', sql)).rejects.toMatchObject({ code: '23514', constraint })
  })
})

it('refuses an end of tokens that is none', async () => {
  await expect(say('tenant', 'over_life', 'later')).rejects.toMatchObject({ constraint: 'policy_over_life' })
})

describe('issuing', () => {
  it('K-16: longer than allowed is refused, with the value and who set it', async () => {
    await say('tenant', 'max_lifetime_seconds', 800)
    await say('person', 'max_lifetime_seconds', 300)
    expect(await refused()).toEqual(['over_policy', 'At most 300 seconds, set for you.'])
    expect(await refused({ expires_in: 300 })).toBe('issued')
    await say('project', 'max_lifetime_seconds', 200)
    expect(await refused({ expires_in: 300 })).toEqual(['over_policy', 'At most 200 seconds, set by the project.'])
  })

  it('more tokens than allowed are refused', async () => {
    await app.rows('acme', `UPDATE issued_token SET status = 'failed'`)
    await say('provider', 'max_tokens', 1)
    expect(await refused()).toBe('issued')
    expect(await refused()).toEqual(['too_many_tokens', 'At most 1 live tokens, set by the provider.'])
  })

  it('another strategy than allowed is refused', async () => {
    await say('provider', 'strategies', ['mint', 'proxy'])
    expect(await refused()).toBe('issued')
    await say('project', 'strategies', ['proxy'])
    expect(await refused()).toEqual(['over_policy', 'Only proxy may be used, set by the project.'])
    await say('project', 'strategies', [])
    expect(await refused()).toEqual(['over_policy', 'No strategy may be used, set by the project.'])
  })

  it('rights beyond a limit are refused, in the words of their kind', async () => {
    const limit = { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false }
    await say('provider', 'rights', JSON.stringify(limit))
    expect(await refused()).toBe('issued')
    const wide = { buckets: { 'in.c-crm': 'write' }, manage_buckets: true }
    const [code, detail] = await refused({ scopes: wide })
    expect(code).toBe('over_policy')
    expect(detail).toMatch(/^Beyond the limit of rights: .*in\.c-crm.*, set by the provider\.$/)
  })

  it('by a role that may not is refused', async () => {
    await say('project', 'issue_roles', ['admin', 'member'])
    expect(await refused()).toEqual(['over_policy', 'Only admin, member may issue, set by the project.'])
    await say('project', 'issue_roles', ['owner'])
    expect(await refused()).toBe('issued')
  })

  it('in a role that changes while it is decided is judged by the later one', async () => {
    await say('project', 'issue_roles', ['owner'])
    const become = (role: string) =>
      app.rows('acme', 'UPDATE member SET role = $1 WHERE user_id = $2', [role, place.userId])
    const answer = await meanwhile(app.ctx, 'vk.issue_begin(', () => become('member'), refused)
    await become('owner')
    expect(answer).toEqual(['over_policy', 'Only owner may issue, set by the project.'])
  })
})

describe('linking', () => {
  const start = () => app.call(owner, 'POST', '/tenants/acme/attempts', { provider: place.providerId })

  it('by a role that may not is refused before anybody leaves for the upstream', async () => {
    await say('tenant', 'link_roles', ['admin'])
    const { status, body } = await start()
    expect([status, body.code, body.detail]).toEqual([422, 'over_policy', 'Only admin may link, set by the tenant.'])
    await say('tenant', 'link_roles', ['owner'])
    expect((await start()).status).toBe(201)
  })

  it('is refused at its end as well, where the project is known, and nothing is kept', async () => {
    await say('project', 'link_roles', [])
    const before = await app.rows('acme', 'SELECT token_version FROM connection')
    const { attempt } = await app.link(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
    const { body } = await app.call(owner, 'GET', `/tenants/acme/attempts/${attempt}`)
    expect(body).toMatchObject({
      status: 'failed',
      outcome: 'over_policy',
      detail: 'Nobody may link, set by the project.',
      can_adopt: false,
    })
    expect(await app.rows('acme', 'SELECT token_version FROM connection')).toEqual(before)
  })
})

it('a provider’s longest life is set where it always was, and says so in the list', async () => {
  const path = `/tenants/acme/providers/${place.providerId}`
  const change = (seconds: number | null) => app.call(owner, 'PATCH', path, { max_lifetime_seconds: seconds })
  expect((await change(400)).body).toMatchObject({ max_lifetime_seconds: 400 })
  expect((await effective()).lifetime).toEqual({ seconds: 400, setBy: 'provider' })
  // What a process of the version before reads, and what it writes.
  const column = () => app.rows('acme', 'SELECT max_lifetime_seconds FROM provider WHERE id = $1', [place.providerId])
  expect(await column()).toEqual([{ max_lifetime_seconds: 400 }])
  await app.rows('acme', 'UPDATE provider SET max_lifetime_seconds = 500 WHERE id = $1', [place.providerId])
  const listed = await app.call<{ items: { id: string; max_lifetime_seconds: number }[] }>(
    owner,
    'GET',
    '/tenants/acme/providers',
  )
  expect(listed.body.items.find(({ id }) => id === place.providerId)).toMatchObject({ max_lifetime_seconds: 500 })
  expect((await change(null)).body).toMatchObject({ max_lifetime_seconds: null })
  expect((await effective()).lifetime).toEqual({ seconds: 28_800, setBy: 'tenant' })
})
