// A signed token at verifiers over a real socket: the program in docs/own-apis.md, and PyJWT with its own key set client.
import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { findPython } from '../../scripts/lib/python.mjs'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type BrowserActor, origin } from '../support/broker.ts'
import { issueOwn, metrics, ownApisOf } from '../support/own-apis.ts'

const python = await findPython('pyjwt')
const program = `
import jwt, json, sys
keys, token, issuer, audience = sys.argv[1:]
key = jwt.PyJWKClient(keys).get_signing_key_from_jwt(token)
options = {"require": ["exp", "iat", "sub", "jti", "iss", "aud", "client_id"]}
claims = jwt.decode(token, key, algorithms=["ES256"], issuer=issuer, audience=audience, options=options)
print(json.dumps({"head": jwt.get_unverified_header(token), "claims": claims}))
`

let app: TestApp
let owner: BrowserActor
let server: Server
let keys: string
let issuer: string
beforeAll(async () => {
  app = await startTestApp()
  owner = await app.actorOf('owner@acme.test')
  issuer = (await ownApisOf(app, owner)).issuer
  server = createServer(async (request, response) => {
    const answer = await app.route(new Request(`${origin}${request.url}`))
    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  keys = `http://127.0.0.1:${(server.address() as AddressInfo).port}/t/acme/jwks.json`
})
afterAll(async () => {
  server.close()
  await app.stop()
})

const verified = (token: string, audience = metrics) =>
  promisify(execFile)(python ?? '', ['-c', program, keys, token, issuer, audience]).then(
    ({ stdout }) => JSON.parse(stdout),
    (error: { stderr?: string }) => error.stderr?.trim().split('\n').at(-1),
  )

it.skipIf(!python)(
  'J-01: a Python library verifies it by the published keys, and refuses it for another audience',
  async () => {
    const { value, token } = await issueOwn(app, owner, 'metrics')
    expect(await verified(value.reveal())).toMatchObject({
      head: { typ: 'at+jwt', alg: 'ES256' },
      claims: { sub: owner.userId, jti: token.id, scope: 'reports:read', client_id: 'valetkey' },
    })
    expect(await verified(value.reveal(), 'https://other.test')).toContain('InvalidAudienceError')
    expect(await verified(`${value.reveal().slice(0, -4)}AAAA`)).toContain('InvalidSignatureError')
  },
)

it('J-01: the program in docs/own-apis.md verifies it as it stands there', async () => {
  const root = resolve(import.meta.dirname, '../..')
  const page = await readFile(join(root, 'docs/own-apis.md'), 'utf8')
  const [, code = ''] = /<!-- verify -->\n```js\n([\s\S]*?)```/.exec(page) ?? []
  // Where packages are found.
  const folder = join(root, 'node_modules/.cache/own-apis')
  const file = join(folder, `${process.pid}.mjs`)
  await mkdir(folder, { recursive: true })
  const made = code
    .replace('https://valetkey.example.com/t/acme', issuer)
    .replace('https://reports.example.com', metrics)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: as it stands on the page
    .replace('`${issuer}/jwks.json`', `'${keys}'`)
  await writeFile(file, made)
  const { verify } = (await import(/* @vite-ignore */ file)) as { verify: (token: string) => Promise<unknown> }
  await rm(file)
  const { value } = await issueOwn(app, owner, 'metrics')
  expect(await verify(value.reveal())).toEqual({ user: owner.userId, scopes: ['reports:read'] })
  await expect(verify(`${value.reveal().slice(0, -4)}AAAA`)).rejects.toThrow('signature')
})
