import { readAccounts } from '../accounts.ts'
import { command } from '../command.ts'
import { Failure } from '../failure.ts'
import { accountAt, findPlace } from '../place.ts'

type Result = {
  server: string
  tenant: string
  outcome: 'revoked' | 'nothing' | 'unconfirmed' | 'failed'
  problem: string | null
}

export const logout = command({
  name: 'logout',
  summary: 'Sign out: end what this terminal was given, with the tokens issued through it',
  options: {
    all: { is: 'switch', description: 'of every server' },
    force: { is: 'switch', description: 'forget it here also where the server cannot be asked' },
  },
  examples: [{ line: 'valetkey logout --all', what: 'leave nothing on this machine' }],
  async run(cli, { options: { all, force } }) {
    const { signOut } = await import('../logout.ts')
    const accounts = await readAccounts(cli)
    const leaving = all ? Object.values(accounts.accounts) : [accountAt(accounts, await findPlace(cli))]
    const results: Result[] = []
    for (const account of leaving) {
      const { server, tenant } = account
      try {
        results.push({ server, tenant, outcome: await signOut(cli, account, { anyway: force }), problem: null })
      } catch (error) {
        if (!all || !(error instanceof Failure)) throw error
        results.push({ server, tenant, outcome: 'failed', problem: error.message })
      }
    }
    cli.out.answer({ signed_out: results }, () => {
      if (results.length === 0) cli.out.line('Nobody was signed in.')
      for (const { server, tenant, outcome, problem } of results) {
        const said = {
          revoked: 'signed out; what this terminal was given is revoked',
          nothing: 'forgotten; nothing was kept of it any more',
          unconfirmed: 'forgotten here; the server did not confirm: revoke it under "Devices and apps"',
          failed: `still signed in: ${problem}`,
        }[outcome]
        cli.out.line({ text: `${server}/t/${tenant}`, style: 'bold' }, ': ', said)
      }
    })
    return results.some(({ outcome }) => outcome === 'failed' || outcome === 'unconfirmed') ? 11 : 0
  },
})
