import { command } from '../command.ts'

export const doctor = command({
  name: 'doctor',
  summary: 'Check this machine and the way to the server, and say what to do',
  details: [
    'Looks at Node, at what is kept here and who may read it, at the keychain (by keeping, reading and removing a test value), at locks, at proxies, and at the server: TLS, who signed for it and for how long, its clock, and whether it is Valetkey. Sends no token anywhere.',
    'Exits with 10 where something does not work. A warning alone does not count.',
  ],
  examples: [
    { line: 'valetkey doctor --server https://valetkey.example.com', what: 'before the first sign-in' },
    { line: 'valetkey doctor --ca-file company.pem', what: 'whether this file is the one that is missing' },
  ],
  run: async (cli) => (await import('../doctor/index.ts')).examine(cli),
})
