import { command } from '../command.ts'

const settings = ['default', 'vault'] as const
const setting = { name: 'setting', description: 'which', choices: settings }
const load = () => import('../config.ts')

export const config = [
  command({
    name: 'config list',
    summary: 'Show every setting and where it comes from',
    details: [
      '"default": the sign-in that is used where nothing names a server. "vault": where new sign-ins are kept; the best place of this machine where it is not set.',
    ],
    examples: [{ line: 'valetkey config list', what: 'what is set' }],
    run: async (cli) => (await load()).list(cli),
  }),
  command({
    name: 'config get',
    summary: 'Show one setting',
    arguments: [setting],
    examples: [{ line: 'valetkey config get default', what: 'which sign-in is used' }],
    run: async (cli, { args: [name = ''] }) => (await load()).get(cli, name),
  }),
  command({
    name: 'config set',
    summary: 'Change a setting',
    arguments: [
      setting,
      { name: 'value', description: 'an address with its tenant, or the name of a place for credentials' },
    ],
    examples: [
      { line: 'valetkey config set default https://valetkey.example.com/t/acme', what: 'use this sign-in' },
      { line: 'valetkey config set vault file', what: 'keep new sign-ins in a file, not in the keychain' },
    ],
    run: async (cli, { args: [name = '', value = ''] }) => (await load()).set(cli, name, value),
  }),
  command({
    name: 'config unset',
    summary: 'Set a setting back',
    arguments: [setting],
    examples: [{ line: 'valetkey config unset vault', what: 'choose the best place again' }],
    run: async (cli, { args: [name = ''] }) => (await load()).unset(cli, name),
  }),
  command({
    name: 'config path',
    summary: 'Show where settings are kept',
    examples: [{ line: 'cd "$(valetkey config path)"', what: 'go there' }],
    run: async (cli) => cli.out.answer({ path: cli.home }, () => cli.out.line(cli.home)),
  }),
] as const
