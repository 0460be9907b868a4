// What is measured, a line each. One more act: a line here, and where it needs something to act on, requests made in `prepare`.

/** `ours`: the product; the rest are the parts of parts.ts. */
export type PartName = 'ours' | 'bare' | 'next' | 'oidc' | 'statement' | 'upstream'

/** What requests are made of: people with sessions, and what a part said when it started. */
export type Seeded = {
  host: string
  cookies: readonly string[]
  /** A confidential client, and grants that people gave it just now. */
  client: { id: string; secret: string }
  grants: (count: number) => Promise<{ access: string; refresh: string }[]>
  /** Codes that a person has just said yes to, and what redeems those of browsers. */
  approvals: (kind: 'device' | 'code', count: number) => Promise<string[]>
  redirectUri: string
  verifier: string
  /** The tenant's own: one that is asked about, one that is verified by its signature. */
  audiences: Record<'asked' | 'signed', string>
  told: (part: PartName) => Record<string, string>
  /** Sends these to a part once, and answers the bodies as JSON. */
  ask: (part: PartName, requests: string[]) => Promise<Record<string, string>[]>
}

export type Scenario = {
  /** Rows of one act are compared with each other. */
  act: string
  way: string
  part: PartName
  /** What is sent, in turn. */
  requests: (seeded: Seeded) => string[] | Promise<string[]>
  /** Each request can be sent once only: a token that is spent. They are made anew for each round. */
  once?: boolean
  /** The status of every answer; left out: 200. */
  status?: number
  /** CPU in milliseconds, of application and database. */
  goal?: number
}

/** None of them ends while others are measured: ending one is an act of its own. */
const tokenSeconds = 1_800
/** How many tokens a round spends. */
const spent = 2_000
const times = <T>(count: number, make: (index: number) => T) => Array.from({ length: count }, (_, index) => make(index))

const get = (path: string, headers: Record<string, string> = {}, host = 'localhost') =>
  `GET ${path} HTTP/1.1\r\nhost: ${host}\r\nuser-agent: bench\r\naccept: application/json\r\n${lines(headers)}\r\n`
const form = (
  path: string,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
  host = 'localhost',
) => {
  const body = new URLSearchParams(fields).toString()
  const type = `content-type: application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\n`
  return `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nuser-agent: bench\r\naccept: application/json\r\n${type}${lines(headers)}\r\n${body}`
}
const lines = (headers: Record<string, string>) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

const asClient = { authorization: `Basic ${Buffer.from('bench:bench-secret').toString('base64')}` }
const oidc = {
  token: (signed: boolean) =>
    form(
      '/token',
      { grant_type: 'client_credentials', scope: 'read', resource: signed ? 'urn:bench:signed' : 'urn:bench:opaque' },
      asClient,
    ),
  tokens: async ({ ask }: Seeded, count: number) =>
    (
      await ask(
        'oidc',
        times(count, () => oidc.token(false)),
      )
    ).map((one) => one.access_token ?? ''),
}

/** Of one of many callers. */
const from = (index: number) => ({ 'x-forwarded-for': `10.0.${(index >> 8) & 255}.${index & 255}` })
const ours = {
  /** What the client posts, each from an address of its own. */
  post: (path: string, { host, client }: Seeded, fields: Record<string, string>, index: number) => {
    const authorization = `Basic ${Buffer.from(`${client.id}:${client.secret}`).toString('base64')}`
    return form(path, fields, { authorization, ...from(index) }, host)
  },
  /** What a person posts in a browser for a token of a project. */
  issue: ({ host, cookies }: Seeded, project: string, body: object) =>
    cookies.map((cookie, index) => {
      const text = JSON.stringify({ expires_in: tokenSeconds, purpose: 'bench', ...body })
      const browser = { cookie, origin: `http://${host}`, 'sec-fetch-site': 'same-origin', 'x-valetkey': '1' }
      const headers = lines({ ...browser, ...from(index), 'content-type': 'application/json' })
      return `POST /api/v1/tenants/bench/projects/${project}/tokens HTTP/1.1\r\nhost: ${host}\r\nuser-agent: bench\r\ncontent-length: ${text.length}\r\n${headers}\r\n${text}`
    }),
  /** What a program posts for a token that is for an audience (RFC 8693). */
  exchange: async (seeded: Seeded, audience: string) =>
    (await seeded.grants(1_000)).map(({ access: subject_token }, index) => {
      const subject = { subject_token, subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' }
      const grant_type = 'urn:ietf:params:oauth:grant-type:token-exchange'
      return ours.post('/oauth/token', seeded, { grant_type, ...subject, audience, scope: 'read' }, index)
    }),
}

export const scenarios: readonly Scenario[] = [
  { act: 'nothing', way: 'a bare Node server', part: 'bare', requests: () => [get('/')] },
  { act: 'nothing', way: 'a Next route', part: 'next', requests: () => [get('/nothing')] },
  {
    act: 'nothing',
    way: 'ours, /api/health',
    part: 'ours',
    requests: ({ host }) => [get('/api/health', {}, host)],
    goal: 0.08,
  },

  { act: 'who calls', way: 'one statement, no HTTP', part: 'statement', requests: () => [] },
  {
    act: 'who calls',
    way: 'ours, /api/v1/me by cookie',
    part: 'ours',
    requests: ({ cookies, host }) => cookies.map((cookie) => get('/api/v1/me', { cookie }, host)),
    goal: 0.35,
  },
  {
    act: 'who calls',
    way: 'ours, /api/v1/me by Bearer',
    part: 'ours',
    requests: async ({ grants, host }) =>
      (await grants(1_000)).map(({ access }) => get('/api/v1/me', { authorization: `Bearer ${access}` }, host)),
    goal: 0.35,
  },
  {
    act: 'who calls',
    way: 'oidc-provider, userinfo',
    part: 'oidc',
    requests: ({ told }) => [get('/me', { authorization: `Bearer ${told('oidc').token}` })],
  },

  {
    act: 'opaque token',
    way: 'ours, a refresh token rotates',
    part: 'ours',
    requests: async (seeded) =>
      (await seeded.grants(spent)).map(({ refresh: refresh_token }, index) =>
        ours.post('/oauth/token', seeded, { grant_type: 'refresh_token', refresh_token }, index),
      ),
    once: true,
    goal: 0.45,
  },
  {
    act: 'opaque token',
    way: 'ours, by device code',
    part: 'ours',
    requests: async (seeded) =>
      (await seeded.approvals('device', spent)).map((device_code, index) => {
        const fields = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }
        return ours.post('/oauth/token', seeded, fields, index)
      }),
    once: true,
    goal: 0.45,
  },
  {
    act: 'opaque token',
    way: 'ours, by a code',
    part: 'ours',
    requests: async (seeded) => {
      const { redirectUri: redirect_uri, verifier: code_verifier } = seeded
      const fields = { grant_type: 'authorization_code', redirect_uri, code_verifier }
      return (await seeded.approvals('code', spent)).map((code, index) =>
        ours.post('/oauth/token', seeded, { ...fields, code }, index),
      )
    },
    once: true,
    goal: 0.45,
  },
  { act: 'opaque token', way: 'oidc-provider', part: 'oidc', requests: () => [oidc.token(false)] },

  { act: 'issue', way: 'oidc-provider, opaque', part: 'oidc', requests: () => [oidc.token(false)] },
  {
    act: 'issue',
    way: 'ours, mint',
    part: 'ours',
    requests: (seeded) =>
      ours.issue(seeded, 'stack', {
        scopes: { components: [], buckets: {}, manage_buckets: true, read_all_files: false },
      }),
    status: 201,
    goal: 2.5,
  },
  {
    act: 'issue',
    way: 'ours, for the proxy',
    part: 'ours',
    requests: (seeded) =>
      ours.issue(seeded, 'stack', {
        strategy: 'proxy',
        scopes: { access: 'paths', paths: ['GET /v2/storage/**'] },
      }),
    status: 201,
    goal: 2.5,
  },
  {
    act: 'issue',
    way: 'ours, for an audience',
    part: 'ours',
    requests: (seeded) => ours.issue(seeded, 'asked', { scopes: { scopes: ['read'] } }),
    status: 201,
    goal: 2.5,
  },
  {
    act: 'issue',
    way: 'ours, exchanged',
    part: 'ours',
    requests: (seeded) => ours.exchange(seeded, seeded.audiences.asked),
    goal: 0.6,
  },
  { act: 'issue, signed', way: 'oidc-provider', part: 'oidc', requests: () => [oidc.token(true)] },
  {
    act: 'issue, signed',
    way: 'ours, for an audience',
    part: 'ours',
    requests: (seeded) => ours.issue(seeded, 'signed', { scopes: { scopes: ['read'] } }),
    status: 201,
    goal: 2.5,
  },
  {
    act: 'issue, signed',
    way: 'ours, exchanged',
    part: 'ours',
    requests: (seeded) => ours.exchange(seeded, seeded.audiences.signed),
    goal: 0.6,
  },
  {
    act: 'introspection',
    way: 'ours',
    part: 'ours',
    requests: async (seeded) =>
      (await seeded.grants(100)).map(({ access: token }, index) =>
        ours.post('/oauth/introspect', seeded, { token }, index),
      ),
    goal: 0.25,
  },
  {
    act: 'introspection',
    way: 'oidc-provider',
    part: 'oidc',
    requests: async (seeded) =>
      (await oidc.tokens(seeded, 100)).map((token) => form('/token/introspection', { token }, asClient)),
  },
  {
    act: 'revocation',
    way: 'ours, an access token',
    part: 'ours',
    requests: async (seeded) =>
      (await seeded.grants(spent)).map(({ access: token }, index) =>
        ours.post('/oauth/revoke', seeded, { token }, index),
      ),
    once: true,
    goal: 0.4,
  },
  {
    act: 'revocation',
    way: 'oidc-provider',
    part: 'oidc',
    requests: async (seeded) =>
      (await oidc.tokens(seeded, spent)).map((token) => form('/token/revocation', { token }, asClient)),
    once: true,
  },
  {
    act: 'device poll, too early',
    way: 'ours',
    part: 'ours',
    requests: async (seeded) => {
      const begun = times(16, (index) => ours.post('/oauth/device_authorization', seeded, {}, index))
      return (await seeded.ask('ours', begun)).map(({ device_code = '' }, index) => {
        const fields = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }
        return ours.post('/oauth/token', seeded, fields, index)
      })
    },
    status: 400,
    goal: 0.15,
  },
  {
    act: 'device poll, too early',
    way: 'oidc-provider',
    part: 'oidc',
    requests: async ({ ask }) =>
      (
        await ask(
          'oidc',
          times(16, () => form('/device/auth', { scope: 'openid' }, asClient)),
        )
      ).map(({ device_code = '' }) =>
        form('/token', { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code }, asClient),
      ),
    status: 400,
  },
]
