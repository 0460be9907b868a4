import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
import { z } from 'zod'
import { type Kind, type RightLine, shellQuoted } from '../../../lib/providers/kind.ts'
import { oauthProtocol } from '../../../lib/providers/oauth/protocol.ts'
import {
  type Provider,
  type ProviderDeps,
  type ProviderSettings,
  UpstreamError,
} from '../../../lib/providers/provider.ts'
import { Secret } from '../../../lib/security/secrets.ts'

const Settings = z.strictObject({ shelfDays: z.int().min(1).max(9).default(3) })
/** Slots that a key opens, and how many coins it may spend. */
const VendingRights = z.strictObject({
  slots: z.array(z.int().min(1).max(40)).max(5).default([]),
  coins: z.int().min(0).max(500).default(0),
})
type VendingSettings = z.infer<typeof Settings>
type VendingRights = z.infer<typeof VendingRights>

/** A kind that has nothing in common with any that the product knows: a machine that sells things. */
export const vending: Kind<VendingSettings, VendingRights> = {
  name: 'vending',
  title: 'vending machine',
  issuer: { hint: 'Of the machine.', placeholder: 'https://machine.example.com' },
  settings: Settings,
  changeable: [{ name: 'shelfDays', label: 'Things stay fresh', unit: 'day', hint: 'As printed.', min: 1, max: 9 }],
  rights: VendingRights,
  describe,
  summary: ({ slots, coins }) => [`${slots.length} slots`, `${coins} coins`],
  narrows: (asked, limit) => asked.coins <= limit.coins && asked.slots.every((slot) => limit.slots.includes(slot)),
  missing: (asked, granted) =>
    describe({
      slots: asked.slots.filter((slot) => !granted.slots.includes(slot)),
      coins: asked.coins > granted.coins ? asked.coins : 0,
    }).map(({ text }) => text),
  strategies: () => [
    { strategy: 'narrow', offered: false, reason: 'A machine has no scopes.' },
    { strategy: 'mint', offered: true, reason: 'A machine cuts keys.' },
  ],
  tokenType: 'key',
  samples: ({ baseUrl }, token) => [
    { id: 'turn', label: 'turn', code: `turn ${shellQuoted(token)} ${shellQuoted(baseUrl)}` },
  ],
  environment: ({ baseUrl }) => ({ token: ['VENDING_KEY'], values: { VENDING_URL: baseUrl } }),
  refreshGraceSeconds: () => 0,
  revokesGrants: false,
  endsTokens: () => true,
  findsOrphans: true,
  open,
}

function describe({ slots, coins }: VendingRights): RightLine[] {
  return [
    ...slots.map((slot) => ({ text: `open slot ${slot}`, risk: 'low' as const })),
    ...(coins > 0
      ? [{ text: `spend ${coins} coins`, risk: coins > 100 ? ('high' as const) : ('medium' as const) }]
      : []),
  ]
}

const CutKey = z.object({ id: z.string(), key: z.string(), slots: z.array(z.int()), coins: z.int(), seconds: z.int() })

function open(row: ProviderSettings<VendingSettings>, deps: ProviderDeps): Provider<VendingRights> {
  const { issuer, clientId, clientSecret } = row
  const protocol = oauthProtocol(
    async () => ({
      server: { issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token` },
      client: { client_id: clientId },
      auth: [oauth.ClientSecretPost(clientSecret?.reveal() ?? '')],
      parameters: {},
      openid: false,
      repeatsRefresh: false,
    }),
    deps,
  )
  const call = async (path: string, method: string, token: Secret, body?: unknown) => {
    const headers = { authorization: `Bearer ${token.reveal()}`, 'content-type': 'application/json' }
    const response = await deps.fetch(`${issuer}${path}`, {
      method,
      headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
    if (response.status === 401) throw new UpstreamError('refused', 'the key is dead')
    if (!response.ok) throw new UpstreamError('protocol', 'the machine said no', { status: response.status })
    return response.status === 204 ? undefined : response.json()
  }
  return {
    authorizationUrl: protocol.authorizationUrl,
    refresh: protocol.refresh,
    async exchangeCode(input) {
      const { subject: _, ...grant } = await protocol.exchangeCode(input)
      const project = { externalId: 'hall-7', name: 'Hall 7', region: undefined, role: 'guest' }
      return { ...grant, account: { id: 'somebody', name: 'Somebody' }, projects: [project] }
    },
    async issue({ accessToken, request }) {
      const { rights, lifetimeSeconds, nonce } = request
      const made = CutKey.parse(
        await call('/keys', 'POST', accessToken, { ...rights, seconds: lifetimeSeconds, nonce }),
      )
      const value = new Secret(made.key)
      const expiresAt = new Date(deps.now().getTime() + made.seconds * 1000)
      const granted = { slots: made.slots, coins: made.coins }
      // Whether it is too much is left to the core.
      return { kind: 'within', token: { value, upstreamId: made.id, handle: value, granted, expiresAt } }
    },
    async revoke(target) {
      if (target.kind !== 'token') return { state: 'impossible' }
      await call(`/keys/${target.upstreamId}`, 'DELETE', target.handle)
      return { state: 'done' }
    },
  }
}

type Key = { id: string; key: string; slots: number[]; coins: number; seconds: number }

/** A machine over a real socket. `extra` is cut into every key beside what was asked. */
export async function startMachine() {
  const keys = new Map<string, Key>()
  const machine = { extra: {} as Partial<Key>, keys }
  async function answer(
    { url = '', method }: IncomingMessage,
    text: string,
  ): Promise<[status: number, body?: unknown]> {
    if (url === '/token')
      return [200, { access_token: randomUUID(), refresh_token: randomUUID(), token_type: 'Bearer', expires_in: 600 }]
    if (url === '/keys' && method === 'POST') {
      const { nonce: _, ...asked } = JSON.parse(text) as Key & { nonce: string }
      const made = { ...asked, id: randomUUID(), key: randomUUID(), ...machine.extra }
      keys.set(made.id, made)
      return [201, made]
    }
    return [method === 'DELETE' && keys.delete(url.split('/').at(-1) ?? '') ? 204 : 404]
  }
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const [status, body] = await answer(request, Buffer.concat(chunks).toString())
    response.writeHead(status, { 'content-type': 'application/json' }).end(body ? JSON.stringify(body) : undefined)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return Object.assign(machine, {
    url: `http://127.0.0.1:${port}`,
    stop: () => new Promise<unknown>((resolve) => server.close(resolve).closeAllConnections()),
  })
}
