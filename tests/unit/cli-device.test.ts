import { expect, it } from 'vitest'
import type { Cli } from '../../cli/src/cli.ts'
import { Failure } from '../../cli/src/failure.ts'
import { byDevice } from '../../cli/src/login/device.ts'
import { createOutput } from '../../cli/src/output.ts'

const server = 'https://valetkey.example'
const codes = {
  device_code: 'd'.repeat(43),
  user_code: 'BCDF-GHJK',
  verification_uri: `${server}/device`,
  expires_in: 900,
  interval: 5,
}
const tokens = { access_token: 'a', refresh_token: 'r', token_type: 'Bearer', expires_in: 3600, scope: 'tenant:read' }
const refused = (error: string) => [400, { error, error_description: error }] as const

type Answer = readonly [status: number, body: object | string] | 'lost'

/** A terminal whose time passes when it waits, before a server that answers polls in turn, for ever as the last time. */
function terminal(...polls: Answer[]) {
  let time = 0
  const asked: number[] = []
  let shown = ''
  const sink = {
    write(text: string) {
      shown += text
    },
  }
  const cli: Cli = {
    env: {},
    cwd: '/',
    home: '/',
    given: { server: undefined, tenant: undefined, caFile: undefined },
    platform: 'linux',
    out: createOutput({ stdout: sink, stderr: sink, stdin: {} }, { json: false, color: false, env: {} }),
    signal: new AbortController().signal,
    now: () => new Date(time * 1000),
    monotonicSeconds: () => time,
    wait: async (seconds) => {
      time += seconds
    },
    async http({ url }) {
      if (url.endsWith('/device_authorization')) return Response.json(codes)
      asked.push(time)
      const answer = polls.length > 1 ? polls.shift() : polls[0]
      if (answer === 'lost' || answer === undefined) throw new TypeError('fetch failed')
      const [status, body] = answer
      return typeof body === 'string'
        ? new Response(body, { status, headers: { 'content-type': 'text/html' } })
        : Response.json(body, { status })
    },
  }
  return { login: () => byDevice(cli, { server, scope: 'tenant:read', opens: false }), asked, shown: () => shown }
}
const pausesOf = (times: number[]) => times.map((time, at) => time - (times[at - 1] ?? 0))

it('O-11 it asks at the interval, and slow_down makes that longer for good', async () => {
  const { login, asked, shown } = terminal(
    refused('authorization_pending'),
    refused('slow_down'),
    refused('authorization_pending'),
    [200, tokens],
  )
  expect(await login()).toMatchObject({ access_token: 'a' })
  expect(pausesOf(asked)).toEqual([5, 5, 10, 10])
  expect(shown()).toContain('BCDF-GHJK')
})

it('O-11 without an answer it asks less and less often, every 30 seconds at least, and as usual once it is answered', async () => {
  const overloaded = [503, '<html>'] as const
  const { login, asked } = terminal('lost', overloaded, 'lost', 'lost', refused('authorization_pending'), [200, tokens])
  await login()
  expect(pausesOf(asked)).toEqual([5, 10, 20, 30, 30, 5])
})

it('O-11 it ends with the codes, on a clock of its own', async () => {
  const { login, asked } = terminal(refused('authorization_pending'))
  await expect(login()).rejects.toMatchObject({ exit: 'denied', code: 'expired_token' })
  expect(asked.at(-1)).toBeLessThan(900)
  expect(asked.length).toBe(179)
})

it('O-22 a denial and an end ends it at once', async () => {
  for (const [error, exit] of [
    ['access_denied', 'denied'],
    ['expired_token', 'denied'],
    ['invalid_client', 'refused'],
  ] as const) {
    const { login, asked } = terminal(refused(error))
    await expect(login()).rejects.toMatchObject({ exit, code: error })
    expect(asked).toHaveLength(1)
  }
})

it('O-24 an answer that is none ends it with a word', async () => {
  for (const answer of [
    [200, '<html>'],
    [200, {}],
    [400, {}],
    [400, '<html>'],
    [200, { access_token: 7 }],
  ] as Answer[]) {
    const { login } = terminal(answer)
    const error = await login().catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(Failure)
    expect(error).toMatchObject({ exit: 'strange' })
  }
})
