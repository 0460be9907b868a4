import { command } from '../command.ts'
import type { Aimed } from '../exec.ts'
import { Failure } from '../failure.ts'

/** What names a variable in every system. */
const variable = /^[A-Za-z_][A-Za-z0-9_]*$/

export const exec = command({
  name: 'exec',
  summary: 'Run a program with tokens that end when it does',
  details: [
    'Issues a token for each project and starts the program with them in its environment, under the names that the tools of the upstream read. Nothing is written to a file. The sign-in of this terminal and VALETKEY_TOKEN are not handed on. When the program has ended, also by Ctrl-C, the tokens are revoked. Where valetkey itself is killed (SIGKILL), or cannot reach the server then, they end by expiry: keep --expires short.',
    'What the tokens may do: options as of "valetkey token", after the projects; or --rights with a file of JSON; or what is chosen for the project under "exec" in .valetkey/config.json of the linked folder.',
    'PROJECT=NAME puts the token in NAME alone. PROJECT=NAME_ puts NAME_ in front of every name.',
    'Ends as the program does: with its exit code, or 128 and the number of the signal that ended it. 125, 126 and 127 are valetkey’s own.',
  ],
  arguments: [
    { name: 'project', description: 'alias or id; PROJECT=NAME to say what its token is called', several: true },
  ],
  options: {
    rights: {
      is: 'list',
      value: '<rights>',
      description: 'what the token may do: a file of JSON, or JSON; PROJECT=FILE for one of several',
    },
    strategy: {
      is: 'value',
      value: '<strategy>',
      description: 'how the tokens are made, where there are several ways',
    },
    branch: {
      is: 'value',
      value: '<id>',
      description: 'the development branch that the program is told of, where the upstream has some; no right',
    },
    expires: {
      is: 'value',
      value: '<time>',
      description: 'their life: 15m, 1h, or seconds; an hour where nothing is said, and never more than policy allows',
    },
  },
  open: true,
  rest: 'program [arguments]',
  examples: [
    {
      line: 'valetkey exec warehouse --bucket in.c-crm=read --expires 15m -- ./export.sh',
      what: 'a token that reads one bucket',
    },
    {
      line: 'valetkey exec warehouse tickets=TICKETS_ -- make report',
      what: 'two projects, with the rights that the linked folder says',
    },
  ],
  async run(cli, { args, options, rest }) {
    const at = args.findIndex((word) => word.startsWith('-'))
    const aims = (at < 0 ? args : args.slice(0, at)).map(readAim)
    const flags = at < 0 ? [] : args.slice(at)
    if (aims.length === 0) throw usage('For which project?', 'Projects come first: valetkey exec PROJECT … -- PROGRAM')
    if (rest.length === 0) throw usage('Which program?', 'It follows "--": valetkey exec PROJECT -- PROGRAM')
    if (aims.length > 1 && flags.length > 0)
      throw usage(`Of which project is ${flags[0]}?`, 'With several, say what each token may do: --rights PROJECT=FILE')
    if (aims.length > 1 && options.branch !== undefined)
      throw usage('Of which project is the branch?', 'With several, set it in the console, on each project’s page')
    if (new Set(aims.map(({ project }) => project)).size < aims.length) throw usage('A project is named twice.')
    return (await import('../exec.ts')).execute(cli, { ...options, aims, flags, command: rest })
  },
})

const usage = (message: string, next?: string) => new Failure('not_started', message, { code: 'usage', next })

function readAim(text: string): Aimed {
  const [project = '', as] = text.split(/=(.*)/s)
  if (as !== undefined && !variable.test(as)) throw usage(`This is no name of a variable: ${as}`)
  return { project, as }
}
