import { command } from '../command.ts'

export const approve = command({
  name: 'approve',
  summary: 'Answer in the browser what a program asks you for',
  details: [
    'Opens the console where you answer; nothing is allowed or declined in a terminal. A code is typed there once more, unless your tenants let a link fill it in.',
    'On a machine without a browser it prints the address, to be opened anywhere.',
  ],
  arguments: [
    {
      name: 'what',
      description:
        'the code that a device shows, or the id or address of a request; all that waits for you where it is left out',
      optional: true,
    },
  ],
  examples: [
    { line: 'valetkey approve', what: 'see what waits for you' },
    { line: 'valetkey approve WXYZ-BCDF', what: 'answer a device that shows this code' },
    { line: 'valetkey approve https://valetkey.example.com/connect/lrq_…', what: 'answer what an agent was told' },
  ],
  run: async (cli, { args: [what] }) => (await import('../approve.ts')).approve(cli, what),
})
