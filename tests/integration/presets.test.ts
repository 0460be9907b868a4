// Every preset against a server that behaves as the preset says: it links, renews, survives its quirks, and ends.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { oauthKind } from '../../lib/providers/oauth/index.ts'
import { filledIn, Preset } from '../../lib/providers/oauth/preset.ts'
import { presets } from '../../lib/providers/oauth/presets/index.ts'
import { settingsOf } from '../../lib/providers/oauth/setup.ts'
import type { Grant, Provider, ProviderDeps } from '../../lib/providers/provider.ts'
import { createOutbound } from '../../lib/security/outbound.ts'
import { randomToken, Secret } from '../../lib/security/secrets.ts'
import { expectSection, type Row } from '../support/capabilities.ts'
import { type Faithful, faithful } from '../support/faithful.ts'

const client = { clientId: 'client-1', clientSecret: 'a-client-secret', redirectUri: 'http://127.0.0.1:1/callback' }
const policy = { loopback: true, internalHosts: [] }
let deps: ProviderDeps
let elapsed = 0
const now = () => Date.now() + elapsed * 1000
beforeAll(() => {
  const way = { ...createOutbound(policy), discoveries: new Map(), keySets: new Map() }
  deps = {
    ...way,
    trusting: () => way,
    proofs: new Map(),
    issuerClocks: new Map(),
    config: policy,
    now: () => new Date(now()),
    sleep: async () => {},
  }
})

let server: Faithful
let started: Faithful | undefined
afterEach(async () => {
  elapsed = 0
  await started?.close()
})

/** What an admin would enter for its variables: the examples that the form shows. */
const variablesOf = ({ variables }: Preset) =>
  Object.fromEntries(variables.map(({ name, placeholder, default: otherwise }) => [name, otherwise ?? placeholder]))

/** Starts a server of a preset, and the provider that `read` of it makes; `read` is what the client knows. */
async function start(preset: Preset, read: Preset = preset, secret = client.clientSecret) {
  const filled = filledIn(preset, variablesOf(preset))
  server = await faithful(filled, { ...client, now })
  started = server
  const known = server.local(filledIn(read, variablesOf(read)))
  // All that it knows: one alone would hide how several are separated.
  const settings = await settingsOf(known, { scopes: known.scopes.known.map(({ name }) => name) }, deps)
  const kind = oauthKind(new Map([[known.name, known]]))
  const row = { issuer: settings.server.issuer, clientId: client.clientId, clientSecret: new Secret(secret) }
  const parsed = kind.settings.parse(settings)
  const isNarrowing = kind.strategies(parsed).some(({ strategy, offered }) => strategy === 'narrow' && offered)
  return { provider: kind.open({ ...row, settings: parsed }, deps) as Provider, isNarrowing }
}

const attempt = () => ({
  state: randomToken(),
  nonce: randomToken(),
  codeVerifier: randomToken() + randomToken(),
  redirectUri: client.redirectUri,
})

async function link(provider: Provider) {
  const begun = attempt()
  const callback = server.approve((await provider.authorizationUrl(begun)).href)
  return provider.exchangeCode({ ...begun, parameters: new URL(callback).searchParams })
}

const subject = (grant: Awaited<ReturnType<typeof link>>) => grant.account.id
const renewed = (provider: Provider, grant: Grant, of: string) =>
  provider.refresh({ refreshToken: grant.refreshToken as Secret, subject: of })

const longest = 24 * 3600
/** Of an access token, as the client has to know it. */
const lifeOf = ({ tokens, quirks }: Preset) =>
  Math.min(
    tokens.refresh === 'none' ? longest : (quirks?.unnamedLifetimeSeconds ?? tokens.lifetimeSeconds ?? 300),
    longest,
  )

/** The whole life of a grant. @throws where anything is otherwise than the preset says */
async function live(preset: Preset, read: Preset = preset): Promise<Row['cells']> {
  const { provider, isNarrowing } = await start(preset, read)
  const grant = await link(provider)
  const person = { id: String(server.people[0].id), name: server.people[0].name }
  expect(grant.account.id).toBe(person.id)
  expect(grant.expiresInSeconds).toBe(lifeOf(preset))
  expect(grant.projects.map(({ name }) => name)).toEqual(preset.api.bases.map(({ name }) => name))
  expect(server.accessTokenWorks(grant.accessToken.reveal())).toBe(true)
  for (const base of grant.projects) {
    const headers = { authorization: `Bearer ${grant.accessToken.reveal()}` }
    const answer = await fetch(base.externalId, { headers })
    expect(answer.status).toBe(200)
    expect(grant.scopes?.toSorted()).toEqual(((await answer.json()) as { scopes: string[] }).scopes.toSorted())
  }
  const first = await renewed(provider, grant, subject(grant))
  const second = await renewed(
    provider,
    { ...first, refreshToken: first.refreshToken ?? grant.refreshToken },
    subject(grant),
  )
  expect(second.identity).not.toBe('changed')
  expect(server.accessTokenWorks(second.accessToken.reveal())).toBe(true)
  expect(second.scopes ?? grant.scopes ?? []).toEqual(expect.arrayContaining(grant.scopes ?? []))
  expect(second.expiresInSeconds).toBe(lifeOf(preset))
  const narrowed = isNarrowing ? await narrow(provider, second, grant) : second
  await end(provider, preset, narrowed)
  await refused(provider, preset)
  const isKnown =
    preset.narrow.offered && preset.narrow.fullScopeRemains === null ? 'not documented' : 'not offered by it'
  return {
    link: 'faithful server',
    rotate: preset.tokens.refresh === 'none' ? 'not offered by it' : 'faithful server',
    narrow: isNarrowing ? 'faithful server' : isKnown,
    mint: 'not offered by it',
    revoke: preset.revocation && preset.revocation.ends !== 'nothing' ? 'faithful server' : 'not offered by it',
  }
}

/** A token with one scope, beside which the connection keeps all of its own. */
async function narrow(provider: Provider, before: Grant, linked: Awaited<ReturnType<typeof link>>): Promise<Grant> {
  const scopes = [linked.scopes?.find((name) => !['openid', 'offline_access'].includes(name)) ?? '']
  const request = { project: '', rights: { scopes }, lifetimeSeconds: 600, purpose: 'a test', nonce: 'n' }
  const sent = { refreshToken: before.refreshToken as Secret, subject: subject(linked), request }
  const { issued, ...grant } = (await provider.narrow?.(sent)) ?? {}
  expect(issued).toMatchObject({ kind: 'within', token: { granted: { scopes } } })
  return renewed(provider, grant as Grant, subject(linked))
}

/** Ends a grant in the way that the preset describes. */
async function end(provider: Provider, { revocation }: Preset, grant: Grant): Promise<void> {
  const outcome = await provider.revoke({ kind: 'grant', refreshToken: grant.refreshToken as Secret })
  expect(outcome.state).toBe(revocation && revocation.ends !== 'nothing' ? 'done' : 'impossible')
  const isDead = revocation && (['both', 'account'].includes(revocation.ends) || revocation.takes === 'access_token')
  if (isDead) expect(server.accessTokenWorks(grant.accessToken.reveal())).toBe(false)
}

/** A grant that the server ended, and a client that it does not know, are told apart in its own words (RR-07). */
async function refused(provider: Provider, preset: Preset): Promise<void> {
  const spent = { ...attempt(), state: 's' }
  const parameters = new URLSearchParams({ code: 'made-up', state: 's' })
  await expect(provider.exchangeCode({ ...spent, parameters })).rejects.toMatchObject({ failure: 'refused' })
  const grant = await link(provider)
  for (const each of server.grants) each.ended = true
  if (preset.tokens.refresh !== 'none' || preset.account?.url)
    await expect(renewed(provider, grant, subject(grant))).rejects.toMatchObject({ failure: 'refused' })
}

const all = [...presets.values()].map((preset): [string, Preset] => [preset.name, preset])

/** What each was seen to do in this run. */
const seen: Row[] = []

describe.each(all)('%s', (_, preset) => {
  it('N-34: links, renews, is refused and ends against a server that behaves as it says', async () => {
    seen.push({ name: preset.title, cells: await live(preset) })
  })

  it('names an unknown client as such', async () => {
    const { provider } = await start(preset, preset, 'another-secret')
    if (preset.client.authentication === 'none') return
    await expect(link(provider)).rejects.toMatchObject({ failure: 'misconfigured' })
  })

  const quirks = Object.keys(preset.quirks ?? {}) as (keyof NonNullable<Preset['quirks']>)[]
  const isSet = (name: (typeof quirks)[number]) => {
    const value = preset.quirks?.[name]
    return typeof value === 'object' ? Object.keys(value).length > 0 : value !== false && value !== undefined
  }
  it.each(quirks.filter(isSet))('without its quirk "%s" it fails', async (name) => {
    const { [name]: _, ...others } = preset.quirks ?? {}
    const read = Preset.parse({ ...preset, quirks: others })
    await expect(live(preset, read)).rejects.toThrow()
  })
})

it('docs/capabilities.md says of each preset what was seen here', () => expectSection('presets', seen))
