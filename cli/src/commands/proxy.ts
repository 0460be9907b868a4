import { command } from '../command.ts'
import { Failure } from '../failure.ts'

export const proxy = command({
  name: 'proxy',
  summary: 'Open an address of this machine for a project’s API, which needs no token',
  details: [
    'For programs that cannot be given a token: they use this address in place of the API’s, and Valetkey adds what is needed (docs/proxy.md says what passes). The address holds a secret that is made anew each time. Whoever knows it may use it while this runs; a program that does not gets 404, and no web page can read its answers.',
    'The token behind it is of strategy "proxy", limited as you say, replaced before it ends, and revoked when this ends: by Ctrl-C, or with the program after "--", which finds the address in API_URL.',
  ],
  arguments: [{ name: 'project', description: 'alias or id' }],
  options: {
    port: { is: 'value', value: '<port>', description: 'listen there; any free one where nothing is said' },
    rights: { is: 'value', value: '<rights>', description: 'what passes: a file of JSON, or JSON' },
    expires: {
      is: 'value',
      value: '<time>',
      description: 'the life of one token: 15m, 1h, or seconds; an hour where nothing is said',
    },
  },
  open: true,
  rest: 'program [arguments]',
  examples: [
    { line: 'valetkey proxy tickets --read-only', what: 'print an address at which everything can be read' },
    {
      line: "valetkey proxy tickets --allow 'GET /items/**' -- npm test",
      what: 'run a program that finds it in API_URL',
    },
  ],
  async run(cli, { args: [project = ''], options: { port = '0', ...options }, open, rest }) {
    if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535 || (Number(port) < 1024 && port !== '0'))
      throw new Failure('usage', `This is no port that can be used: ${port}`, { next: 'From 1024 to 65535.' })
    const given = { ...options, project, port: Number(port), flags: open, command: rest }
    return (await import('../proxy/index.ts')).openProxy(cli, given)
  },
})
