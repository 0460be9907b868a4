import { command, type OptionSpecs } from '../command.ts'

/** How a token is asked for, wherever one is. */
export const askOptions = {
  expires: { is: 'value', value: '<time>', description: 'how long it lives: 15m (the default), 1h, 90s' },
  purpose: { is: 'value', value: '<text>', description: 'what it is for; shown in the lists, and at the upstream' },
  strategy: {
    is: 'value',
    value: '<name>',
    description: 'how it is made, where there are several ways; proxy is told by its flags',
    choices: ['mint', 'exchange', 'narrow', 'proxy', 'sign'],
  },
  branch: {
    is: 'value',
    value: '<id>',
    description: 'the development branch that --format env and json name, where the upstream has some; no right',
  },
  rights: { is: 'value', value: '<file>', description: 'rights or rules as JSON, instead of flags; - is the input' },
  idempotencyKey: {
    is: 'value',
    value: '<key>',
    description: 'the same key makes no second token, so that a script can repeat after a lost answer',
  },
} as const satisfies OptionSpecs

export const token = command({
  name: 'token',
  summary: 'Issue a token, and print it',
  details: [
    'Its rights are flags, which differ by the kind of the project: without any, a terminal lets you choose, and a script is shown the flags. A token that works through Valetkey has rules instead: --read-only, --allow "GET /path/*", --rules NAME, or --everything.',
    'The token is printed once and kept nowhere. One that could not be printed is revoked.',
  ],
  arguments: [{ name: 'project', description: 'name of the project; see valetkey projects' }],
  options: {
    ...askOptions,
    format: {
      is: 'value',
      value: '<format>',
      description: 'raw (the default), env for eval, header for curl, or json',
      choices: ['raw', 'env', 'header', 'json'],
    },
  },
  open: true,
  examples: [
    { line: 'valetkey token sales', what: 'choose what it may do' },
    {
      line: 'valetkey token sales --bucket in.c-crm=read --expires 15m --purpose "nightly export"',
      what: 'of a Keboola project',
    },
    {
      line: 'eval "$(valetkey token items --scope tickets:read --purpose demo --format env)"',
      what: 'into this shell',
    },
    {
      line: 'valetkey token items --allow "GET /items/*" --purpose demo --format header | curl --header @- …',
      what: 'through Valetkey, and never among the arguments of a program',
    },
  ],
  run: async (cli, { args, options, open }) =>
    (await import('../issue/print.ts')).printToken(cli, { words: [...args, ...open], ...options }),
})
