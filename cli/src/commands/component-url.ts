import { command } from '../command.ts'
import { askOptions } from './token.ts'

export const componentUrl = command({
  name: 'component-url',
  summary: 'Print the address where a Keboola component is authorized',
  details: [
    'Some components read with somebody’s account elsewhere, such as Salesforce or Google Drive. At this address its owner signs in and allows that. You need no master token: the address holds a token for this component alone, made with your connection.',
    'The address is one line, is printed once and kept nowhere. Whoever has it can use the component’s configurations until its token ends, so treat it as a secret. One that could not be printed is revoked. valetkey tokens lists its token, and valetkey revoke ends it.',
  ],
  arguments: [
    { name: 'project', description: 'name of the project; see valetkey projects' },
    { name: 'component', description: 'its id, such as keboola.ex-google-drive' },
    { name: 'configuration', description: 'id of the configuration to authorize' },
  ],
  options: {
    open: {
      is: 'switch',
      description:
        'open it in the browser as well; other people of this machine may see it among the programs’ arguments',
    },
    expires: { is: 'value', value: '<time>', description: 'how long it works: 1h (the default and the most), 15m' },
    anyway: { is: 'switch', description: 'also where the component does not say that it is authorized' },
    idempotencyKey: askOptions.idempotencyKey,
  },
  examples: [
    { line: 'valetkey component-url sales keboola.ex-google-drive 901', what: 'to send to whoever owns the account' },
    { line: 'valetkey component-url sales keboola.ex-google-drive 901 --open', what: 'to authorize it yourself' },
  ],
  run: async (cli, { args: [project = '', component = '', configuration = ''], options }) =>
    (await import('../component-url.ts')).printComponentUrl(cli, { project, component, configuration, ...options }),
})
