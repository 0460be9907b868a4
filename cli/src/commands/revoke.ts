import { command } from '../command.ts'

export const revoke = command({
  name: 'revoke',
  summary: 'Revoke tokens of yours, and say what that came to',
  details: [
    'Says three things of each: that it is blocked here, what its upstream did, and until when a copy could still work. Exits with 11 where one still could.',
  ],
  arguments: [
    { name: 'token', description: 'ids or fingerprints; see valetkey tokens', optional: true, several: true },
  ],
  options: {
    all: { is: 'switch', description: 'all of your tokens that live' },
    project: { is: 'value', value: '<project>', description: 'with --all: of this project alone' },
    reason: { is: 'value', value: '<text>', description: 'why, for the trail' },
  },
  examples: [
    { line: 'valetkey revoke a91f03c2', what: 'by its fingerprint' },
    { line: 'valetkey revoke --all --reason "laptop lost"', what: 'everything of yours, at once' },
  ],
  run: async (cli, { args, options }) => (await import('../tokens.ts')).revokeTokens(cli, { named: args, ...options }),
})
