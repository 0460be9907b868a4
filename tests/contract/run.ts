// Runs Schemathesis against the product as it is started, signed in as an owner with something of everything.
// Usage: tsx tests/contract/run.ts <path of schemathesis> <file for the results>
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { cookieNames } from '../../lib/http/cookies.ts'
import { createBrowser, startProduct } from './product.ts'

/** Many times what it takes on a quiet machine. */
const limitMilliseconds = 600_000
/** What its generator keeps for itself. */
const storage = resolve(import.meta.dirname, '../../node_modules/.cache/hypothesis')

const [schemathesis = '', results = ''] = process.argv.slice(2)
const product = await startProduct()
const { origin } = product
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => void product.stop().then(() => process.exit(1)))

/** What is there before the programs come, by the names that schemathesis.toml uses. */
async function furnish(): Promise<Record<string, string>> {
  const owner = createBrowser(origin)
  const member = createBrowser(origin)
  await owner.signIn('owner@acme.test')
  await member.signIn('member@acme.test')
  await owner.link('acme', 'owner@acme.test', '10231')
  await member.link('acme', 'member@acme.test', '10231')
  type Items<T> = { items: T[] }
  const { items: connections } = await owner.read<Items<{ id: string; owner_id: string; account_name: string }>>(
    '/tenants/acme/connections?everybody=1',
  )
  const me = await owner.read<{ id: string }>('/me')
  const mine = connections.find(({ owner_id }) => owner_id === me.id)
  const theirs = connections.find(({ owner_id }) => owner_id !== me.id)
  const { items: projects } =
    await owner.read<Items<{ alias: string; provider: { id: string } }>>('/tenants/acme/projects')
  const [project] = projects
  const { token } = await owner.act<{ token: { id: string } }>(`/tenants/acme/projects/${project?.alias}/tokens`, {
    scopes: { buckets: { 'in.c-crm': 'read' } },
    expires_in: 900,
    purpose: 'contract',
  })
  const attempt = await owner.act<{ id: string }>('/tenants/acme/attempts', { provider: project?.provider.id })
  const invitation = await owner.act<{ id: string }>('/tenants/acme/invitations', { role: 'member' })
  // Nobody has this name (RFC 2606 2), so no message leaves.
  const { webhook } = await owner.act<{ webhook: { id: string } }>('/tenants/acme/webhooks', {
    url: 'https://hooks.invalid/valetkey',
  })
  return {
    CONTRACT_SESSION: owner.jar.get(cookieNames.session) ?? '',
    CONTRACT_PROJECT: project?.alias ?? '',
    CONTRACT_PROVIDER: project?.provider.id ?? '',
    CONTRACT_CONNECTION: mine?.id ?? '',
    CONTRACT_USER: theirs?.owner_id ?? '',
    CONTRACT_TOKEN: token.id,
    CONTRACT_ATTEMPT: attempt.id,
    CONTRACT_INVITATION: invitation.id,
    CONTRACT_WEBHOOK: webhook.id,
  }
}

/** Answers how many operations passed and failed. */
async function run(env: Record<string, string>): Promise<{ passed: number; failed: number; skipped: number }> {
  const calm = setInterval(() => void product.forgetLimits(), 200)
  const report = `${results}.xml`
  const settings = ['--config-file', resolve(import.meta.dirname, 'schemathesis.toml')]
  const asked = ['run', `${origin}/api/v1/openapi.json`, '--report=junit', `--report-junit-path=${report}`]
  const child = spawn(schemathesis, [...settings, ...asked], {
    stdio: 'inherit',
    env: {
      ...process.env,
      ...env,
      NO_COLOR: '1',
      NO_PROXY: 'localhost',
      PYTHONHASHSEED: '0',
      HYPOTHESIS_STORAGE_DIRECTORY: storage,
    },
    timeout: limitMilliseconds,
  })
  const [code] = await once(child, 'exit')
  clearInterval(calm)
  const [head = ''] = /<testsuite .*?>/.exec(await readFile(report, 'utf8')) ?? []
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? Number.NaN)
  const [failed, skipped] = [count('failures') + count('errors'), count('skipped')]
  if ((failed === 0) !== (code === 0)) throw new Error(`Schemathesis ended with ${code} and ${failed} failures`)
  return { passed: count('tests') - failed - skipped, failed, skipped }
}

try {
  const counts = await run(await furnish())
  const broken = product.log().filter((line) => line.includes('"msg":"request failed"'))
  if (broken.length > 0) throw new Error(`the log tells of failures:\n${broken.slice(0, 20).join('\n')}`)
  await writeFile(results, JSON.stringify(counts))
  process.exitCode = counts.failed === 0 ? 0 : 1
} finally {
  await product.stop()
}
