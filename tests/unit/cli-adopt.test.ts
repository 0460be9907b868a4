// What adopt reads, shows and changes, without a server: as functions where the text alone matters, else as a command.
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { unifiedDiff } from '../../cli/src/adopt/diff.ts'
import { gh } from '../../cli/src/adopt/gh.ts'
import { kbagent } from '../../cli/src/adopt/kbagent.ts'
import type { Kind } from '../../cli/src/adopt/kind.ts'
import { netrc } from '../../cli/src/adopt/netrc.ts'
import { osa } from '../../cli/src/adopt/osa.ts'
import { type Machine, startMachine } from '../support/bare-machine.ts'
import { selfSigned } from '../support/certificate.ts'

vi.setConfig({ testTimeout: 30_000 })

/** In every text: what must never be seen. */
const canary = 'CANARY'

const files: Record<string, { kind: Kind; path: string; text: string; at: string[]; first: string }> = {
  kbagent: {
    kind: kbagent,
    path: '.config/keboola-agent-cli/config.json',
    text: `${JSON.stringify(
      {
        _warning: 'never',
        version: 1,
        default_project: 'prod',
        projects: {
          prod: { stack_url: 'https://connection.keboola.com', token: `123-4567-${canary}`, project_id: 123 },
          other: { stack_url: 'https://connection.keboola.com', token: `124-4568-${canary}`, project_id: null },
          session: { stack_url: 'https://connection.keboola.com', token: 'kbc-session://77', project_id: 77 },
        },
        dev_portal_identities: { vendor: { username: 'u', password: `"\\${canary}` } },
        something_new: { deep: [`${canary}`, { token: canary }] },
      },
      null,
      2,
    )}\n`,
    at: ['project prod', 'project other', 'identity vendor'],
    first: '-      "token": "********",|+      "token": "********",',
  },
  osa: {
    kind: osa,
    path: '.config/osa/credentials.json',
    text: JSON.stringify(
      {
        'https://osa.example': { access_token: `${canary}1`, refresh_token: `${canary}2` },
        'https://other.example': { access_token: `${canary}3`, refresh_token: `${canary}4` },
      },
      null,
      2,
    ),
    at: ['https://osa.example', 'https://other.example'],
    first: '-  "https://osa.example": {|-    "access_token": "********",|-    "refresh_token": "********"|-  },',
  },
  gh: {
    kind: gh,
    path: '.config/gh/hosts.yml',
    text: `# ${canary}
github.com:
    git_protocol: https
    users:
        ada:
            oauth_token: gho_${canary}1
        bob:
    user: ada
    oauth_token: gho_${canary}1
git.example.com:8443:
    user: ada # ${canary}
    oauth_token: "ghp_${canary}2"
`,
    at: ['github.com, user ada', 'github.com', 'git.example.com:8443'],
    first: '-            oauth_token: ********',
  },
  netrc: {
    kind: netrc,
    path: '.netrc',
    text: `# comment ${canary}
machine github.com login ada password ghp_${canary}3
machine ftp.example.com
  login bob
  account ${canary}
  password "${canary} \\" x"
  macdef init
    cd ${canary}5
    bin

machine git.example.com login machine password ${canary}7 machine a.example password ${canary}8
default login anonymous password ${canary}6
`,
    at: [
      'machine github.com, login ada',
      'machine ftp.example.com, login bob',
      'machine git.example.com, login machine',
      'machine a.example',
    ],
    first: '-machine github.com login ada password ********',
  },
}

describe.each(Object.entries(files))('%s', (_, { kind, text, at, first }) => {
  it('everything long-lived is found, and nothing that is told of it holds it', () => {
    const found = kind.read(text)
    expect(found.map((one) => one.at)).toEqual(at)
    for (const { secret, question, ...told } of found) {
      expect(secret).toContain(canary)
      expect(JSON.stringify(told)).not.toContain(canary)
      if (question) expect(question.url).not.toContain(canary)
    }
  })

  it('the masked text has the same lines, and nothing secret, whoever’s it is', () => {
    const masked = kind.masked(text)
    expect(masked).not.toContain(canary)
    expect(masked.split('\n')).toHaveLength(text.split('\n').length)
    expect(masked).toContain('********')
  })

  it('taking one out leaves everything else as it is, byte for byte; taking all out leaves none', () => {
    const found = kind.read(text)
    const one = found.slice(0, 1)
    const next = kind.without(text, one)
    expect(kind.read(next).map((each) => each.at)).toEqual(at.slice(1))
    const changed = unifiedDiff(text, next, kind.masked).filter(({ sign }) => sign === '-' || sign === '+')
    expect(changed.map(({ sign, text: line }) => sign + line).join('|')).toBe(first)
    expect(kind.without(text, [])).toBe(text)
    const nothing = kind.without(text, found)
    const [identity] = kind.read(nothing)
    // What nothing stands in for is never taken out by a command; here the password of a portal stays.
    expect(identity?.at).toBe(kind === kbagent ? 'identity vendor' : undefined)
  })

  it('a text of another form is refused, or has nothing in it', () => {
    for (const other of ['[1', '{"a":[1]}', 'a: [b]', '- a', '"']) {
      try {
        expect(kind.read(other)).toEqual([])
      } catch (error) {
        expect(error).toMatchObject({ code: 'unknown_format' })
      }
    }
  })
})

it('the diff is the one of diff -u', () => {
  const before = Array.from({ length: 20 }, (_, at) => `line ${at + 1}`)
  const after = before.filter((_, at) => at !== 1 && at !== 17)
  after.splice(8, 0, 'new')
  const lines = unifiedDiff(before.join('\n'), after.join('\n'), (text) => text.replaceAll('line', 'l'))
  expect(lines.filter(({ sign }) => sign === '@').map(({ text }) => text)).toEqual([
    '@ -1,5 +1,4 @@',
    '@ -7,6 +6,7 @@',
    '@ -15,6 +15,5 @@',
  ])
  expect(lines.filter(({ sign }) => sign !== ' ' && sign !== '@')).toEqual([
    { sign: '-', text: 'l 2' },
    { sign: '+', text: 'new' },
    { sign: '-', text: 'l 18' },
  ])
})

describe('the command', () => {
  let machine: Machine
  beforeEach(async () => {
    machine = await startMachine()
    for (const { path, text } of Object.values(files)) await put(path, text)
  })
  afterEach(() => machine.stop())
  const put = async (path: string, text: string) => {
    await mkdir(dirname(join(machine.home, path)), { recursive: true })
    await writeFile(join(machine.home, path), text, { mode: 0o600 })
  }
  const contents = () => Promise.all(Object.values(files).map(({ path }) => readFile(join(machine.home, path), 'utf8')))

  it('finds all of them, shows no secret in any form of output, and changes nothing', async () => {
    for (const args of [['adopt'], ['adopt', '--json'], ['adopt', '--verbose'], ['adopt', '--json', '--verbose']]) {
      const { code, stdout, stderr } = await machine.run(args)
      expect([args, code]).toEqual([args, 0])
      expect(stdout + stderr).not.toContain(canary)
    }
    const { stdout } = await machine.run(['adopt', '--json'])
    const { files: found } = JSON.parse(stdout) as { files: { program: string; tokens: { at: string }[] }[] }
    expect(Object.fromEntries(found.map(({ program, tokens }) => [program, tokens.map(({ at }) => at)]))).toEqual(
      Object.fromEntries(Object.entries(files).map(([name, { at }]) => [name, at])),
    )
    expect(await contents()).toEqual(Object.values(files).map(({ text }) => text))
  })

  it('without anybody signed in nothing is written', async () => {
    const { code, stdout, stderr } = await machine.run(['adopt', '--write', '--without-undo'])
    expect([code, stdout]).toEqual([2, ''])
    expect(stderr).toContain('Which server?')
    expect(await contents()).toEqual(Object.values(files).map(({ text }) => text))
  })

  it('one file where one is named; a broken one, another program’s and a missing one are errors, and show nothing', async () => {
    const tokens = async (file: string) =>
      JSON.parse((await machine.run(['adopt', '--json', file])).stdout).files.map(
        ({ program }: { program: string }) => program,
      )
    expect(await tokens('.netrc')).toEqual(['netrc'])
    await put('elsewhere/.kbagent/config.json', files.kbagent?.text ?? '')
    expect(await tokens('elsewhere/.kbagent/config.json')).toEqual(['kbagent'])
    await put('broken/hosts.yml', `github.com: {oauth_token: ${canary}}\n`)
    for (const [file, code] of [
      ['broken/hosts.yml', 1],
      ['some.txt', 2],
      ['none/hosts.yml', 5],
    ] as const) {
      const ended = await machine.run(['adopt', file])
      expect([file, ended.code, ended.stdout]).toEqual([file, code, ''])
      expect(ended.stderr).not.toContain(canary)
    }
  })

  it('a file that two names lead to is looked at once, and the variables of the programs say where', async () => {
    await symlink(join(machine.home, '.netrc'), join(machine.home, '_netrc'))
    await put('gh2/hosts.yml', files.gh?.text ?? '')
    const { stdout } = await machine.run(['adopt', '--json'], { env: { GH_CONFIG_DIR: join(machine.home, 'gh2') } })
    const found = JSON.parse(stdout).files.map(({ file }: { file: string }) => file.slice(machine.home.length + 1))
    expect(found).toEqual([files.kbagent?.path, files.osa?.path, 'gh2/hosts.yml', '.netrc'])
  })

  it('only --verify sends a token, to its own host alone, also where that leads elsewhere', async () => {
    const { key, cert } = selfSigned('localhost', { isAuthority: true })
    const seen: [string | undefined, string | undefined][] = []
    let location: string | undefined
    const server = createServer({ key, cert }, (request, response) => {
      seen.push([request.url, request.headers['x-storageapi-token']?.toString()])
      if (location) response.writeHead(302, { location }).end()
      else response.end(JSON.stringify({ description: 'old script\u001b[2J', isMasterToken: true, expires: null }))
    })
    const elsewhere: string[] = []
    const other = createServer({ key, cert }, (request, response) => response.end(elsewhere.push(request.url ?? '')))
    for (const one of [server, other]) await new Promise<void>((resolve) => one.listen(0, 'localhost', resolve))
    const originOf = (one: typeof server) => `https://localhost:${(one.address() as AddressInfo).port}`
    await put(
      'k/config.json',
      JSON.stringify({ projects: { p: { stack_url: originOf(server), token: `1-2-${canary}` } } }),
    )
    await put('ca.pem', cert)
    const run = (...more: string[]) => machine.run(['adopt', 'k/config.json', '--ca-file', 'ca.pem', ...more])
    expect((await run()).code).toBe(0)
    expect(seen).toEqual([])
    const asked = await run('--verify', '--verbose')
    expect(seen).toEqual([['/v2/storage/tokens/verify', `1-2-${canary}`]])
    expect(asked.stdout).toMatch(/is called "old script .*master token.*never ends/)
    expect(asked.stdout + asked.stderr).not.toMatch(new RegExp(`${canary}|\u001b`))
    location = `${originOf(other)}/v2/storage/tokens/verify`
    expect((await run('--verify')).stdout).toContain('the host answers HTTP 302')
    expect(elsewhere).toEqual([])
    for (const one of [server, other]) one.close()
  })

  it('undo and forget take one file, and say so where nothing is kept', async () => {
    expect((await machine.run(['adopt', '--undo'])).code).toBe(2)
    expect((await machine.run(['adopt', '--undo', '--forget', '.netrc'])).code).toBe(2)
    expect((await machine.run(['adopt', '--undo', '.netrc'])).code).toBe(5)
    expect((await machine.run(['adopt', '--forget', 'none'])).code).toBe(5)
    expect(await readdir(machine.home)).toContain('.netrc')
  })
})
