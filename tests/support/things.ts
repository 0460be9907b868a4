import { newId } from '../../lib/security/ids.ts'
import { keepTools } from '../../lib/store/mcp.ts'
import { issueBody, type Jar, type TestApp } from './app.ts'
import { askedOf } from './asked.ts'
import { claimed } from './authorization.ts'
import type { Email } from './broker.ts'
import { giveGrant } from './grants-of-programs.ts'
import type { Receiver } from './receiver.ts'

const deviceCode = 'urn:ietf:params:oauth:grant-type:device_code'

/** Ids of things in acme that belong to one person who administers it, by the path parameter that names them. */
export type Things = Record<string, string>

/** Makes one of each thing that an operation can name: linked, issued, invited, hooked, and a revocation that waits. */
export async function makeThings(
  app: TestApp,
  jar: Jar,
  {
    account,
    project: external,
    receiver,
    rights = issueBody.scopes,
  }: { account: Email; project: string; receiver: Receiver; rights?: object },
): Promise<Things> {
  const project = await app.linkProject(jar, 'acme', { account, project: external })
  const { token } = (await app.issue(jar, 'acme', project, { scopes: rights })).body
  const attempt = await app.startLink(jar, 'acme')
  const invitation = await app.call<{ id: string }>(jar, 'POST', '/tenants/acme/invitations', { role: 'member' })
  const me = await app.call<{ id: string }>(jar, 'GET', '/me')
  app.demo.faults.push(
    'DELETE /v2/storage/tokens/*',
    ...Array.from({ length: 3 }, () => ({ status: 503, body: { kind: 'empty' as const } })),
  )
  const second = (await app.issue(jar, 'acme', project, { scopes: rights })).body.token
  await app.call(jar, 'POST', '/tenants/acme/revocations', { tokens: [second.id] })
  app.demo.faults.clear()
  const waiting = await app.call<{ items: { id: string }[] }>(jar, 'GET', '/tenants/acme/revocations')
  const hook = await app.call<{ webhook: { id: string } }>(jar, 'POST', '/tenants/acme/webhooks', { url: receiver.url })
  const webhook = hook.body.webhook.id
  const tested = await app.call<{ id: string }>(jar, 'POST', `/tenants/acme/webhooks/${webhook}/test`)
  const trust = await app.call<{ id: string }>(jar, 'POST', '/tenants/acme/trusted-issuers', {
    issuer: app.demo.issuer,
    name: 'Sign-in',
  })
  const listed = await app.call<{ id: string }>(jar, 'POST', `/tenants/acme/trusted-issuers/${trust.body.id}/clients`, {
    client_id: 'some-program',
    name: 'Some program',
    scopes: ['tenant:read'],
  })
  const client = await app.call<{ client: { id: string; secrets: { id: string }[] } }>(
    jar,
    'POST',
    '/tenants/acme/clients',
    { name: 'Nightly', token_endpoint_auth_method: 'client_secret_basic', grant_types: [deviceCode] },
  )
  await app.call(jar, 'POST', '/tenants/acme/providers', { kind: 'own', name: 'Own APIs' })
  const audience = await app.call<{ id: string }>(jar, 'POST', '/tenants/acme/audiences', audienceBody)
  const device = await claimed(app, jar)
  await keepTools(app.ctx, { tenantId: (await app.tenantId('acme')) ?? '', projectId: project }, [lookedAt], {
    now: app.ctx.now(),
    isWhole: true,
  })
  const [event] = await app.rows('acme', 'SELECT id FROM audit_event WHERE target_id = $1 ORDER BY id DESC', [token.id])
  return {
    event: String(event?.id),
    client: client.body.client.id,
    client_secret: client.body.client.secrets[0]?.id ?? '',
    audience: audience.body.id,
    authorization: device.id,
    user_code: device.user_code,
    trusted_issuer: trust.body.id,
    trusted_client: listed.body.id,
    // Another one that can be trusted.
    issuer: app.demo.ticketsIssuer,
    webhook,
    delivery: tested.body.id,
    project,
    token: token.id,
    connection: token.connection_id,
    attempt: attempt.id,
    link_request: await askedOf(app, { userId: me.body.id, projectId: project }),
    invitation: invitation.body.id,
    user: me.body.id,
    revocation: waiting.body.items[0]?.id ?? '',
    provider: await app.demoProvider(jar, 'acme'),
    // What a freeze names.
    kind: 'connection',
    id: token.connection_id,
    grant: await giveGrant(app, me.body.id),
    session: await anotherSession(app, me.body.id),
    revocation_act: await anAct(app, me.body.id),
  }
}

/** A session of somebody who is signed in, in a browser that nobody uses. Its id. */
async function anotherSession(app: TestApp, userId: string): Promise<string> {
  const id = newId('session')
  await app.rows(
    'acme',
    `INSERT INTO session (id, token_hash, user_id, auth_time, created_at, last_active_at, expires_at)
     SELECT $2::text, sha256(convert_to($2::text, 'UTF8')), user_id, auth_time, created_at, last_active_at, expires_at FROM session WHERE user_id = $1 LIMIT 1`,
    [userId, id],
  )
  return id
}

/** An act on everything of a person that is over. Its id. */
async function anAct(app: TestApp, userId: string): Promise<string> {
  const id = newId('revocation_act')
  await app.rows(
    'acme',
    `INSERT INTO revocation_act (tenant_id, id, kind, revoked_by, user_id, generation, as_of, created_at, done_at, settled_at)
     SELECT tenant_id, $2, 'held', user_id, user_id, generation, now(), now(), now(), now() FROM member WHERE user_id = $1`,
    [userId, id],
  )
  return id
}

/** A tool that nobody has looked at. */
const lookedAt = {
  name: 'echo',
  hash: 'a'.repeat(64),
  definition: { title: null, description: null, inputSchema: {}, outputSchema: null, annotations: {}, isCut: false },
  readOnly: true,
  destructive: false,
}

export const audienceBody = {
  audience: 'https://api.acme.test',
  name: 'An API',
  alias: 'an-api',
  settings: { scopes: [{ name: 'api:read', text: 'read', risk: 'low' }], offline: true },
}

/** For each operation with a body one that it takes, so that nothing but its guards can refuse. */
export const bodiesFor = (things: Things, receiver: Receiver): Record<string, unknown> => ({
  createProvider: { kind: 'keboola', name: 'X', issuer: 'https://x.example', client_id: 'a', client_secret: 'b' },
  addAudience: { ...audienceBody, audience: 'https://another.acme.test', alias: 'another' },
  changeAudience: { name: 'Another name' },
  previewProvider: { kind: 'keboola', issuer: 'https://x.example' },
  changeProvider: { name: 'X' },
  changeProject: { alias: 'taken-over' },
  issueToken: issueBody,
  makeComponentUrl: { component: 'keboola.ex-salesforce', configuration: '901' },
  changeConnection: { branch: null },
  pasteToken: { provider: things.provider, token: '10231-1-ofnobody' },
  changePastedToken: { warning: true },
  chooseProjects: { projects: ['10232'] },
  startLink: { provider: things.provider },
  revoke: { tokens: [things.token], connections: [things.connection], grants: [things.grant] },
  changeMember: { role: 'member' },
  createInvitation: { role: 'member' },
  createFreeze: { kind: 'connection', id: things.connection },
  createWebhook: { url: receiver.url },
  trustIssuer: { issuer: things.issuer, name: 'Tickets' },
  changeTrustedIssuer: { name: 'Sign-in' },
  trustClient: { client_id: 'another-program', name: 'Another program', scopes: [] },
  changeTrustedClient: { name: 'Some program' },
  createClient: { name: 'Agent', token_endpoint_auth_method: 'none', grant_types: [deviceCode] },
  changeClient: { name: 'Nightly export' },
  makeClientSecret: { grace_seconds: 3600 },
  changeWebhook: { enabled: false },
  claimAuthorization: { user_code: things.user_code },
  approveAuthorization: { tenant: 'acme', scopes: ['projects:read'], ceilings: {} },
  denyAuthorization: { not_me: false },
  reviewTools: { tools: [{ name: lookedAt.name, hash: lookedAt.hash }] },
  changePolicy: { device_flow: 'typed' },
  inspectLeak: { text: 'nothing that anybody knows' },
  recordRevocation: { reason: 'seen to it there' },
  freezeSelection: { kind: 'connections', as_of: '2020-01-01T00:00:00.000Z', count: 0 },
  revokeSelection: { kind: 'tokens', as_of: '2020-01-01T00:00:00.000Z', count: 0 },
  markNotificationsRead: { through: newId('notification') },
})

/** An operation's path below /api/v1, its parameters filled in; `none` where there is nothing to name. */
export const pathOf = (path: string, tenant: string, given: Partial<Things>) =>
  path
    .replace('/api/v1', '')
    .replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'tenant' ? tenant : (given[name] ?? 'none')))
