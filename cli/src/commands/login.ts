import { command } from '../command.ts'

export const login = command({
  name: 'login',
  summary: 'Sign in to a server, through the browser',
  details: [
    'Opens the browser, where you choose a tenant and what this terminal may do. Without a browser on this machine, over SSH for example, it shows a code to type in any browser instead, and says why.',
    'What it receives is kept in the keychain of this machine, or where there is none in a file that only you can read. Tokens last an hour and are refreshed automatically.',
  ],
  arguments: [
    {
      name: 'server',
      description: 'address of the server; the linked or the default one where it is left out',
      optional: true,
    },
  ],
  options: {
    device: { is: 'switch', description: 'show a code to type, also where a browser could be opened' },
    scope: { is: 'list', value: '<scope>', description: 'what to ask for instead of the usual; may be repeated' },
    fresh: { is: 'switch', description: 'have the browser ask who you are again' },
  },
  examples: [
    { line: 'valetkey login https://valetkey.example.com', what: 'sign in for the first time' },
    { line: 'valetkey login --device', what: 'sign in again, from a machine without a browser' },
  ],
  run: async (cli, { args: [server], options }) =>
    (await import('../login/index.ts')).signIn(cli, { server, ...options }),
})
