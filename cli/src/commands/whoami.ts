import { command } from '../command.ts'

export const whoami = command({
  name: 'whoami',
  summary: 'Show who you are at the server, and with which scopes',
  examples: [{ line: 'valetkey whoami --json', what: 'the same, for a script' }],
  async run(cli) {
    const { openSession } = await import('../session.ts')
    const session = await openSession(cli)
    const me = await session.ask(session.client.GET('/api/v1/me'))
    const { server, tenant, account } = session
    const role = me.tenants.find(({ slug }) => slug === tenant)?.role ?? null
    const scopes = account?.scopes ?? null
    cli.out.answer({ server, tenant, id: me.id, name: me.name, email: me.email, role, scopes }, () => {
      cli.out.table(
        ['', ''],
        [
          ['server', server],
          ['tenant', tenant],
          ['name', me.email === null || me.email === me.name ? me.name : `${me.name} (${me.email})`],
          ['role', role ?? 'none'],
          ['scopes', scopes === null ? 'those of VALETKEY_TOKEN' : scopes.join(' ')],
        ],
      )
    })
  },
})
