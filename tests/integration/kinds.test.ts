// A kind that no file of the product knows does everything, and a provider row that nobody can read spoils nothing else.
import { createElement } from 'react'
import { renderToStaticMarkup } from 'react-dom/server'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokenRow } from '../../app/_features/token-table.tsx'
import { drawn } from '../../app/_ui/said.tsx'
import { pickerFor } from '../../app/t/[tenant]/projects/[project]/issue/pickers/index.ts'
import { kindList, providerList } from '../../lib/broker/providers.ts'
import { issueOffer } from '../../lib/broker/read/offer.ts'
import { projectCards } from '../../lib/broker/read/project.ts'
import { tokenPage } from '../../lib/broker/read/token.ts'
import { kinds } from '../../lib/providers/index.ts'
import { type Issued, type Jar, startTestApp, type TestApp } from '../support/app.ts'
import { startMachine, vending } from '../support/kinds/vending.ts'

kinds.set(vending.name, vending)

let app: TestApp
let owner: Jar
let machine: Awaited<ReturnType<typeof startMachine>>
let provider: string
beforeAll(async () => {
  app = await startTestApp()
  machine = await startMachine()
  owner = await app.signIn('owner@acme.test')
})
afterAll(async () => {
  await app.stop()
  await machine.stop()
})

const call = <T>(method: string, path: string, body?: unknown) =>
  app.call<T>(owner, method, `/tenants/acme${path}`, body)
/** Links as a person does; the machine's own page is skipped. */
async function link(id: string): Promise<string> {
  const { body } = await call<{ url: string }>('POST', '/attempts', { provider: id })
  const url = new URL(body.url)
  const back = `${url.searchParams.get('redirect_uri')}?code=any&state=${url.searchParams.get('state')}`
  const { headers } = await app.follow(owner, back)
  return /\/projects\/(prj_\w+)\?linked=1$/.exec(headers.get('location') ?? '')?.[1] ?? String(headers.get('location'))
}
const issue = (project: string, scopes: unknown) =>
  call<Issued & { fields?: Record<string, string>; detail?: string }>('POST', `/projects/${project}/tokens`, {
    scopes,
    expires_in: 300,
    purpose: 'a snack',
  })

describe('a kind that is registered by one line', () => {
  let project: string

  it('is configured, with settings of its own', async () => {
    const body = { kind: 'vending', name: 'The machine', issuer: machine.url, client_id: 'c', client_secret: 's' }
    const wrong = await call<{ fields: object }>('POST', '/providers', { ...body, settings: { shelf_days: 30, x: 1 } })
    expect(wrong.status).toBe(400)
    expect(Object.keys(wrong.body.fields)).toEqual(['settings.x'])
    const far = await call<{ fields: object }>('POST', '/providers', { ...body, settings: { shelf_days: 30 } })
    expect(Object.keys(far.body.fields)).toEqual(['settings.shelf_days'])
    const made = await call<{ id: string }>('POST', '/providers', { ...body, settings: { shelf_days: 5 } })
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({ kind: 'vending', settings: { shelf_days: 5 }, misconfigured: false })
    provider = made.body.id
    const changed = await call('PATCH', `/providers/${provider}`, { settings: { shelf_days: 6 } })
    expect(changed.body).toMatchObject({ settings: { shelf_days: 6 } })
    expect(kindList().map(({ name }) => name)).toContain('vending')
    const unknown = await call<{ fields: object }>('POST', '/providers', { ...body, kind: 'nobody' })
    expect(Object.keys(unknown.body.fields)).toEqual(['kind'])
  })

  it('links, issues with rights that look like nothing else, and revokes', async () => {
    project = await link(provider)
    expect(project).toMatch(/^prj_/)
    const { status, body } = await issue(project, { slots: [3, 7], coins: 200 })
    expect(status).toBe(201)
    expect(body).toMatchObject({ token_type: 'key', base_url: machine.url })
    expect(body.token).toMatchObject({
      strategy: 'mint',
      asked: { slots: [3, 7], coins: 200 },
      granted: { slots: [3, 7], coins: 200 },
      rights: {
        asked: [
          { text: 'open slot 3', risk: 'low' },
          { text: 'open slot 7' },
          { text: 'spend 200 coins', risk: 'high' },
        ],
      },
      not_granted: [],
    })
    expect([...machine.keys.values()].map(({ key }) => key)).toContain(body.value)
    const revoked = await call('POST', '/revocations', { tokens: [body.token.id] })
    expect(revoked.status).toBe(200)
    expect(machine.keys.size).toBe(0)
    const { body: again } = await call('GET', `/tokens/${body.token.id}`)
    expect(again).toMatchObject({ state: 'revoked', revocation: { upstream: 'done' } })
  })

  it.each([
    ['a slot that no machine has', { slots: [41] }, 'scopes.slots.0'],
    ['a right of another kind', { slots: [1], buckets: {} }, 'scopes.buckets'],
    ['no right at all', {}, 'scopes'],
  ])('%s is a field that is wrong', async (_name, scopes, field) => {
    const { status, body } = await issue(project, scopes)
    expect([status, Object.keys(body.fields ?? {})]).toEqual([400, [field]])
    expect(machine.keys.size).toBe(0)
  })

  it('K-20: a token beyond what was asked is ended and not handed out, whatever its kind says of it', async () => {
    machine.extra = { slots: [3, 8] }
    const { status, body } = await issue(project, { slots: [3] })
    machine.extra = {}
    expect([status, body.code, body.detail]).toEqual([502, 'excess_rights', 'More than requested: open slot 8.'])
    expect(machine.keys.size).toBe(0)
  })

  it('K-22: less than was asked is handed out and said', async () => {
    machine.extra = { slots: [3], coins: 0 }
    const { body } = await issue(project, { slots: [3, 4], coins: 50 })
    machine.extra = {}
    expect(body.token).toMatchObject({
      granted: { slots: [3], coins: 0 },
      not_granted: ['open slot 4', 'spend 50 coins'],
    })
  })

  it('shows in the console: the provider, the project, its form, and its tokens', async () => {
    const actor = await app.actorOf('owner@acme.test')
    const providers = await providerList(app.ctx, actor)
    expect(providers.find(({ id }) => id === provider)).toMatchObject({ kind: 'vending', misconfigured: false })
    const cards = await projectCards(app.ctx, actor)
    expect(cards.find(({ id }) => id === project)).toMatchObject({ name: 'Hall 7', connection: { status: 'linked' } })

    const offer = await issueOffer(app.ctx, actor, { project, branch: null, token: 'A_TOKEN' })
    expect(offer).toMatchObject({
      kind: 'vending',
      ways: [{ strategy: 'mint', samples: [{ code: `turn 'A_TOKEN' '${machine.url}'` }] }],
    })
    expect((await call('POST', `/projects/${project}/scopes`)).body).toEqual({
      cap: { seconds: 28800, set_by: 'tenant' },
    })
    const { Pick, none } = pickerFor('vending')
    const [way] = offer?.ways ?? []
    const schema = way && way.strategy !== 'proxy' ? way.schema : {}
    const place = { tenant: 'acme', project: 'any' }
    const props = { choices: {}, schema, value: { slots: [9] }, onChange: () => {}, place, onReload: () => {} }
    const form = renderToStaticMarkup(createElement(Pick, props))
    expect(form).toContain('Access')
    expect(form).toContain('&quot;coins&quot;')
    expect(none).toEqual({})

    const { items: tokens } = await tokenPage(app.ctx, actor, { projectId: project })
    const view = { tenant: 'acme', now: app.ctx.now().toISOString() }
    const cells = tokens.map((token) =>
      createElement('p', { key: token.id }, drawn(tokenRow(view, token).cells.scopes)),
    )
    const table = renderToStaticMarkup(createElement('div', {}, cells))
    expect(table).toContain('1\u00a0slots\u00a0· 0\u00a0coins')
    expect(table).toContain('2 not granted')
  })
})

describe('a provider whose settings cannot be read', () => {
  const settings = (value: object, kind = 'vending') =>
    app.rows('acme', 'UPDATE provider SET settings = $1, kind = $2 WHERE id = $3 RETURNING id', [value, kind, provider])

  it.each([
    ['settings of another form', { shelfDays: 'many' }, 'vending'],
    ['a kind that this version does not know', {}, 'teleporter'],
  ])('%s: it is shown as misconfigured, refuses by name, and disturbs no other', async (_name, value, kind) => {
    const project = await link(provider)
    const { body: issued } = await issue(project, { slots: [1] })
    await settings(value, kind)
    try {
      const { body } = await call<{ items: { id: string; name: string; misconfigured: boolean }[] }>(
        'GET',
        '/providers',
      )
      const flagged = body.items.filter(({ misconfigured }) => misconfigured).map(({ id }) => id)
      expect(flagged).toEqual([provider])
      expect(body.items.length).toBeGreaterThan(1)
      const misconfigured = { status: 409, body: { code: 'provider_misconfigured' } }
      expect(await call('POST', '/attempts', { provider })).toMatchObject(misconfigured)
      expect(await issue(project, { slots: [1] })).toMatchObject(misconfigured)
      expect(await call('POST', `/projects/${project}/scopes`)).toMatchObject(misconfigured)
      const actor = await app.actorOf('owner@acme.test')
      expect(await issueOffer(app.ctx, actor, { project, branch: null, token: 'x' })).toBe(undefined)
      for (const path of ['/projects', `/projects/${project}`, '/connections', '/tokens', `/tokens/${issued.token.id}`])
        expect([path, (await call('GET', path)).status]).toEqual([path, 200])
      const other = await app.linkProject(owner, 'acme', { account: 'owner@acme.test', project: '10231' })
      expect((await app.issue(owner, 'acme', other)).status).toBe(201)
    } finally {
      await settings({ shelfDays: 5 })
    }
  })

  it('what an admin may change is repaired by changing it', async () => {
    await settings({ shelfDays: 'many' })
    expect((await call('PATCH', `/providers/${provider}`, { name: 'Renamed' })).body).toMatchObject({
      misconfigured: true,
    })
    const { body } = await call('PATCH', `/providers/${provider}`, { settings: { shelf_days: 4 } })
    expect(body).toMatchObject({ misconfigured: false, settings: { shelf_days: 4 } })
  })
})
