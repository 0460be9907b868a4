import { command } from '../command.ts'

export const status = command({
  name: 'status',
  summary: 'Show every sign-in and project: live, refreshed, degraded, expired or missing',
  details: [
    'A sign-in is tried by using it, not by its age: "live", or "refreshed" where its access token was over and a new one came. "degraded": the server cannot be asked, which says nothing about the sign-in. "expired": it is over. "missing": nothing is kept of it here.',
    'A project is "degraded" while its upstream fails or an admin has frozen it, "expired" where it has to be reconnected, and "missing" where you have not linked it.',
  ],
  examples: [{ line: 'valetkey status --json', what: 'for a monitor; the exit code is 0 where everything is live' }],
  run: async (cli) => (await import('../status.ts')).showStatus(cli),
})
