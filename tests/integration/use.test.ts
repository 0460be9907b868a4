// How tokens were used through us, as people read it: what counts, on which day, and who may know.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { noteUse } from '../../lib/store/proxy.ts'
import { type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { startPassing } from '../support/passing.ts'

type Use = { requests: number; refused: number; bytes_sent: number; bytes_received: number }
type Answer = { code?: string; days: ({ day: string } & Use)[]; totals: Use; last_used_at: string | null }
type Who = { jar: Jar; project: string; token: string; value: string; base: string; tenantId: string }

let app: TestApp
let passing: Awaited<ReturnType<typeof startPassing>>
let owner: Who
let member: Who
beforeAll(async () => {
  app = await startTestApp()
  passing = await startPassing(app.ctx)
  const thingsOf = async (account: 'owner@acme.test' | 'member@acme.test'): Promise<Who> => {
    const jar = await app.signIn(account)
    const project = await app.linkProject(jar, 'acme', { account, project: '10231' })
    const asked = { strategy: 'proxy', scopes: { access: 'read_only' } }
    const { token, value, base_url: base } = (await app.issue(jar, 'acme', project, asked)).body
    const { tenantId } = await app.actorOf(account)
    return { jar, project, token: token.id, value, base, tenantId }
  }
  owner = await thingsOf('owner@acme.test')
  member = await thingsOf('member@acme.test')
})
afterAll(async () => {
  await passing.stop()
  await app.stop()
})

const use = async (jar: Jar, path: string, tenant = 'acme') =>
  (await app.call<Answer>(jar, 'GET', `/tenants/${tenant}/${path}/use`)).body
const reads = async () =>
  (
    await app.rows(
      'acme',
      `SELECT body->'target'->>'id' AS id FROM audit_event WHERE body->>'action' = 'access.read' ORDER BY id`,
    )
  ).map(({ id }) => id)

describe('what went through with a token', () => {
  it('is nothing on each of fourteen days before it is used', async () => {
    const { days, totals, last_used_at } = await use(owner.jar, `tokens/${owner.token}`)
    expect(days).toHaveLength(14)
    expect(days.at(-1)?.day).toBe(app.ctx.now().toISOString().slice(0, 10))
    expect(days.map(({ day }) => day)).toEqual(days.map(({ day }) => day).toSorted())
    expect([totals, last_used_at]).toEqual([{ requests: 0, refused: 0, bytes_sent: 0, bytes_received: 0 }, null])
  })

  it('is counted by day: requests, refusals and bytes; what is older than the days shown is left out', async () => {
    const read = await passing.ask(owner.base, '/v2/storage/buckets', { token: owner.value })
    await passing.ask(owner.base, '/v2/storage/buckets', { token: owner.value, method: 'POST', body: '{}' })
    await passing.proxy.tell()
    const of = { tenantId: owner.tenantId, tokenId: owner.token, projectId: owner.project }
    const daysAgo = (days: number) => new Date(app.ctx.now().getTime() - days * 24 * 3_600_000)
    const some = { requests: 5, refused: 0, bytesSent: 10, bytesReceived: 20 }
    await noteUse(app.ctx, of, daysAgo(13), some)
    await noteUse(app.ctx, of, daysAgo(14), some)
    const { days, totals, last_used_at } = await use(owner.jar, `tokens/${owner.token}`)
    const bytes = Buffer.byteLength(read.text)
    expect(days.at(-1)).toMatchObject({ requests: 1, refused: 1, bytes_sent: 0, bytes_received: bytes })
    expect(days[0]).toMatchObject({ requests: 5, bytes_sent: 10, bytes_received: 20 })
    expect(totals).toEqual({ requests: 6, refused: 1, bytes_sent: 10, bytes_received: bytes + 20 })
    expect(Date.parse(last_used_at ?? '')).toBeGreaterThan(daysAgo(1).getTime())
  })

  it('is nothing of a token that works at its upstream', async () => {
    const { token } = (await app.issue(owner.jar, 'acme', owner.project)).body
    expect(await use(owner.jar, `tokens/${token.id}`)).toMatchObject({ totals: { requests: 0 }, last_used_at: null })
  })
})

describe('who may know', () => {
  it('a member sees their own tokens alone, by token and by project', async () => {
    expect(await use(member.jar, `tokens/${owner.token}`)).toMatchObject({ code: 'not_found' })
    const { totals, last_used_at } = await use(member.jar, `projects/${member.project}`)
    expect([totals.requests, last_used_at]).toEqual([0, null])
    await passing.ask(member.base, '/v2/storage/buckets', { token: member.value })
    await passing.proxy.tell()
    expect(await use(member.jar, `projects/${member.project}`)).toMatchObject({ totals: { requests: 1 } })
  })

  it('who oversees the tenant sees everybody’s, and that is recorded; one’s own is not', async () => {
    const before = await reads()
    expect(await use(owner.jar, `tokens/${owner.token}`)).toMatchObject({ totals: { requests: 6 } })
    expect(await reads()).toEqual(before)
    expect(await use(owner.jar, `projects/${owner.project}`)).toMatchObject({ totals: { requests: 7, refused: 1 } })
    expect(await use(owner.jar, `tokens/${member.token}`)).toMatchObject({ totals: { requests: 1 } })
    expect((await reads()).slice(before.length)).toEqual(['readProjectUse', 'readTokenUse'])
  })

  it('another tenant finds nothing', async () => {
    const stranger = await app.signIn('owner@globex.test')
    for (const path of [`tokens/${owner.token}`, `projects/${owner.project}`])
      expect(await use(stranger, path, 'globex')).toMatchObject({ code: 'not_found' })
  })
})
