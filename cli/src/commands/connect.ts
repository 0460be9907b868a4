import { command } from '../command.ts'

export const connect = command({
  name: 'connect',
  summary: 'Link a project, or reconnect one, in the browser',
  details: [
    'Opens the console where it is done, because the approval at the upstream belongs to your browser, and waits until the connection is there.',
  ],
  arguments: [
    { name: 'project', description: 'the one to reconnect; another one where it is left out', optional: true },
  ],
  options: { timeout: { is: 'value', value: '<time>', description: 'how long to wait; 10m where it is left out' } },
  examples: [
    { line: 'valetkey connect', what: 'link a project that is not linked yet' },
    { line: 'valetkey connect sales', what: 'approve it once more, when its connection is over' },
  ],
  run: async (cli, { args: [project], options }) =>
    (await import('../connect.ts')).connect(cli, { project, ...options }),
})
