// Clients that others wrote, at our authorization server and our API over a real socket: they accept every reply.
import { createPrivateKey } from 'node:crypto'
import { exportJWK, exportPKCS8 } from 'jose'
import * as oauth from 'oauth4webapi'
import { Issuer } from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, test } from 'vitest'
import type { Scope } from '../../lib/actor.ts'
import { startTestApp, type TestApp } from '../support/app.ts'
import { insertClient, pkce } from '../support/programs.ts'
import { serve } from '../support/served.ts'
import { personOf } from '../support/strangers.ts'

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let user: string
let person: ReturnType<typeof personOf>
const scopes: Scope[] = ['projects:read', 'tenant:read']
const scope = scopes.join(' ')
const callback = 'https://app.example/callback'

beforeAll(async () => {
  app = await startTestApp()
  const browser = await app.signIn('owner@acme.test')
  user = (await app.call<{ id: string }>(browser, 'GET', '/me')).body.id
  at = await serve(app)
  person = personOf({ app, ctx: at.ctx, user, scopes })
})
afterAll(async () => {
  await at.stop()
  await app.stop()
})
afterEach(() => app.forgetLimits())

describe('oauth4webapi', () => {
  const insecure = { [oauth.allowInsecureRequests]: true }
  let as: oauth.AuthorizationServer
  beforeAll(async () => {
    const url = new URL(at.origin)
    as = await oauth
      .discoveryRequest(url, { algorithm: 'oauth2', ...insecure })
      .then((answer) => oauth.processDiscoveryResponse(url, answer))
  })

  /** A client of each kind, with how it authenticates. */
  const kinds = {
    none: async () => ({ client: { client_id: 'valetkey' }, auth: oauth.None() }),
    client_secret_basic: async () => {
      const { id, secret } = await insertClient(app, 'acme')
      return { client: { client_id: id }, auth: oauth.ClientSecretBasic(secret) }
    },
    client_secret_post: async () => {
      const { id, secret } = await insertClient(app, 'acme')
      return { client: { client_id: id }, auth: oauth.ClientSecretPost(secret) }
    },
    private_key_jwt: async () => {
      const { publicKey, privateKey } = await oauth.generateKeyPair('ES256')
      const keys = { keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'key-1' }] }
      const { id } = await insertClient(app, 'acme', { authentication: 'private_key_jwt', keys })
      return { client: { client_id: id }, auth: oauth.PrivateKeyJwt({ key: privateKey, kid: 'key-1' }) }
    },
  }
  type Kind = keyof typeof kinds
  type Handle = { DPoP?: oauth.DPoPHandle }
  const handleFor = async (client: oauth.Client, bound: boolean): Promise<Handle> =>
    bound ? { DPoP: oauth.DPoP(client, await oauth.generateKeyPair('ES256')) } : {}

  /** As its own example does: once more, where the nonce was missing. */
  async function retried<T>(send: () => Promise<Response>, read: (answer: Response) => Promise<T>): Promise<T> {
    try {
      return await read(await send())
    } catch (error) {
      if (!oauth.isDPoPNonceError(error)) throw error
      return read(await send())
    }
  }
  async function expectWorks(token: oauth.TokenEndpointResponse, client: oauth.Client, options: Handle) {
    expect([token.token_type, token.scope]).toEqual([options.DPoP ? 'dpop' : 'bearer', scope])
    const answer = await retried(
      () =>
        oauth.protectedResourceRequest(token.access_token, 'GET', new URL('/api/v1/me', at.origin), undefined, null, {
          ...options,
          ...insecure,
        }),
      async (response) => response,
    )
    expect(((await answer.json()) as { id: string }).id, client.client_id).toBe(user)
  }
  async function refreshed(
    { client, auth }: { client: oauth.Client; auth: oauth.ClientAuth },
    { refresh_token = '' }: oauth.TokenEndpointResponse,
    options: Handle,
  ) {
    return retried(
      () => oauth.refreshTokenGrantRequest(as, client, auth, refresh_token, { ...options, ...insecure }),
      (answer) => oauth.processRefreshTokenResponse(as, client, answer),
    )
  }

  const cases: [Kind, boolean][] = (Object.keys(kinds) as Kind[]).flatMap((kind) => [
    [kind, false] as [Kind, boolean],
    [kind, true] as [Kind, boolean],
  ])

  test.each(cases)('J-09 J-10: a device gets in, by %s, bound to a key: %s', async (kind, bound) => {
    const known = await kinds[kind]()
    const { client, auth } = known
    const options = await handleFor(client, bound)
    const device = await oauth
      .deviceAuthorizationRequest(as, client, auth, { scope }, insecure)
      .then((answer) => oauth.processDeviceAuthorizationResponse(as, client, answer))
    const poll = () =>
      retried(
        () => oauth.deviceCodeGrantRequest(as, client, auth, device.device_code, { ...options, ...insecure }),
        (answer) => oauth.processDeviceCodeResponse(as, client, answer),
      )
    await expect(poll()).rejects.toMatchObject({ error: 'authorization_pending' })
    await expect(poll()).rejects.toMatchObject({ error: 'slow_down' })
    await person.allowDevice(device.device_code)
    const first = await poll()
    await expectWorks(first, client, options)
    const second = await refreshed(known, first, options)
    await expectWorks(second, client, options)
    await takenBack(known, second, options)
  })

  async function takenBack(
    { client, auth }: { client: oauth.Client; auth: oauth.ClientAuth },
    tokens: oauth.TokenEndpointResponse,
    options: Handle,
  ) {
    const asked = () =>
      oauth
        .introspectionRequest(as, client, auth, tokens.access_token, insecure)
        .then((answer) => oauth.processIntrospectionResponse(as, client, answer))
    const isPublic = client.client_id === 'valetkey'
    if (!isPublic) expect(await asked()).toMatchObject({ active: true, sub: user, client_id: client.client_id, scope })
    await oauth
      .revocationRequest(as, client, auth, tokens.refresh_token ?? '', insecure)
      .then(oauth.processRevocationResponse)
    if (!isPublic) expect(await asked()).toEqual({ active: false })
    await expect(refreshed({ client, auth }, tokens, options).then((one) => one.access_token)).rejects.toMatchObject({
      error: 'invalid_grant',
    })
  }

  test.each(cases)(
    'J-09 J-10 T-07: a code, also of a pushed request, by %s, bound to a key: %s',
    async (kind, bound) => {
      for (const pushes of [false, true]) {
        const known = await kinds[kind]()
        const { client, auth } = known
        const options = await handleFor(client, bound)
        const redirect = kind === 'none' ? 'http://127.0.0.1:49152/callback' : callback
        const verifier = oauth.generateRandomCodeVerifier()
        const state = oauth.generateRandomState()
        const asked = new URLSearchParams({
          client_id: client.client_id,
          response_type: 'code',
          redirect_uri: redirect,
          scope,
          state,
          resource: at.origin,
          code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
          code_challenge_method: 'S256',
          ...(options.DPoP && !pushes && { dpop_jkt: await options.DPoP.calculateThumbprint() }),
        })
        const url = new URL(as.authorization_endpoint ?? '')
        url.search = String(asked)
        if (pushes) {
          const { request_uri } = await retried(
            () => oauth.pushedAuthorizationRequest(as, client, auth, asked, { ...options, ...insecure }),
            (answer) => oauth.processPushedAuthorizationResponse(as, client, answer),
          )
          url.search = String(new URLSearchParams({ client_id: client.client_id, request_uri }))
        }
        const parameters = oauth.validateAuthResponse(as, client, await person.allow(url), state)
        const first = await retried(
          () =>
            oauth.authorizationCodeGrantRequest(as, client, auth, parameters, redirect, verifier, {
              ...options,
              ...insecure,
            }),
          (answer) => oauth.processAuthorizationCodeResponse(as, client, answer),
        )
        await expectWorks(first, client, options)
        const second = await refreshed(known, first, options)
        await expectWorks(second, client, options)
        await takenBack(known, second, options)
      }
    },
  )

  it('J-09 E-02: finds the way from our API to its tokens', async () => {
    const api = new URL(at.origin)
    const resource = await oauth
      .resourceDiscoveryRequest(api, insecure)
      .then((answer) => oauth.processResourceDiscoveryResponse(api, answer))
    expect(resource.authorization_servers).toEqual([as.issuer])
    const me = new URL('/api/v1/me', api)
    const refused = await oauth.protectedResourceRequest('wrong', 'GET', me, undefined, null, insecure).catch((e) => e)
    expect(refused.cause).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'valetkey',
          error: 'invalid_token',
          resource_metadata: `${at.origin}/.well-known/oauth-protected-resource`,
        },
      },
    ])
  })
})

describe('openid-client', () => {
  async function issuerOf() {
    const answer = await fetch(`${at.origin}/.well-known/oauth-authorization-server`)
    return new Issuer((await answer.json()) as { issuer: string })
  }

  test.each([false, true])('J-09 J-10: a device and a pushed code get in, bound to a key: %s', async (bound) => {
    const issuer = await issuerOf()
    const { id, secret } = await insertClient(app, 'acme')
    const client = new issuer.Client({ client_id: id, client_secret: secret, response_types: ['code'] })
    const { privateKey } = await oauth.generateKeyPair('ES256', { extractable: true })
    const options = bound ? { DPoP: createPrivateKey(await exportPKCS8(privateKey)) } : {}
    const works = async (token: string) => {
      const { body } = await client.requestResource(`${at.origin}/api/v1/me`, token, options)
      expect(JSON.parse(String(body)).id).toBe(user)
    }

    const device = await client.deviceAuthorization({ scope })
    await person.allowDevice(device.device_code)
    const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
    const byDevice = await client.grant({ grant_type, device_code: device.device_code }, options)
    expect(byDevice.token_type).toBe(bound ? 'DPoP' : 'Bearer')
    await works(byDevice.access_token ?? '')

    const { verifier, challenge } = pkce()
    const asked = { scope, state: 'a state', redirect_uri: callback, response_type: 'code' }
    const { request_uri } = await client.pushedAuthorizationRequest({
      ...asked,
      code_challenge: challenge,
      code_challenge_method: 'S256',
    })
    const back = await person.allow(new URL(client.authorizationUrl({ request_uri })))
    const parameters = client.callbackParams(back.href)
    const checks = { state: 'a state', code_verifier: verifier, response_type: 'code' }
    const first = await client.oauthCallback(callback, parameters, checks, options)
    await works(first.access_token ?? '')
    const second = await client.refresh(first.refresh_token ?? '', options)
    await works(second.access_token ?? '')
    expect(await client.introspect(second.access_token ?? '')).toMatchObject({ active: true, sub: user })
    await client.revoke(second.refresh_token ?? '')
    expect(await client.introspect(second.access_token ?? '')).toEqual({ active: false })
    await expect(client.refresh(second.refresh_token ?? '', options)).rejects.toMatchObject({ error: 'invalid_grant' })
  })
})
