import { command } from '../command.ts'

export const tokens = command({
  name: 'tokens',
  summary: 'List your tokens; values are kept nowhere and cannot be shown',
  options: {
    state: {
      is: 'value',
      value: '<state>',
      description: 'live (the default), ended, revoked, failed, or all',
      choices: ['live', 'ended', 'revoked', 'failed', 'all'],
    },
    project: { is: 'value', value: '<project>', description: 'of this project alone' },
    before: { is: 'value', value: '<id>', description: 'the page after that one' },
  },
  examples: [
    { line: 'valetkey tokens', what: 'those that live' },
    { line: 'valetkey tokens --project sales --state all', what: 'everything that was ever made for a project' },
  ],
  run: async (cli, { options }) => (await import('../tokens.ts')).showTokens(cli, options),
})
