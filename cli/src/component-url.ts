import { noBrowser, openBrowser } from './browser.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { secondsOf } from './issue/ask.ts'
import { openSteadySession, withMade } from './issue/make.ts'
import { whenWords } from './tokens.ts'

type Said = {
  project: string
  component: string
  configuration: string
  open: boolean
  expires: string | undefined
  anyway: boolean
  idempotencyKey: string | undefined
}

/** Makes the address and prints it as one line, however wide the terminal is (K-34). @throws Failure */
export async function printComponentUrl(cli: Cli, said: Said): Promise<void> {
  const { project, component, configuration, open, anyway, idempotencyKey } = said
  const seconds = said.expires === undefined ? undefined : secondsOf(said.expires)
  const session = await openSteadySession(cli)
  const { client, ask, tenant } = session
  const make = (key: string) =>
    ask(
      client.POST('/api/v1/tenants/{tenant}/projects/{project}/component-urls', {
        params: { path: { tenant, project }, header: { 'Idempotency-Key': key } },
        body: { component, configuration, anyway, ...(seconds !== undefined && { expires_in: seconds }) },
      }),
    )
  const why = open ? noBrowser(cli) : undefined
  if (why !== undefined)
    throw new Failure('usage', `No browser can be opened here: ${why}.`, { next: 'Leave out --open.' })
  await withMade(cli, session, { key: idempotencyKey, make }, async ({ url, token }) => {
    const end = token.expires_at
    if (!cli.out.json) {
      cli.out.note(`${component}, configuration ${configuration}: open this address and sign in there.`)
      cli.out.note({
        text: `  works ${whenWords(new Date(end), cli.now())}, fingerprint ${token.fingerprint ?? token.id}`,
        style: 'dim',
      })
    }
    const data = { url, id: token.id, fingerprint: token.fingerprint, project: token.project.alias, expires_at: end }
    await cli.out.deliver(cli.out.json ? `${JSON.stringify(data, null, 2)}\n` : `${url}\n`)
    if (open && !(await openBrowser(cli, url))) cli.out.note('The browser did not open: open it yourself.')
  })
}
