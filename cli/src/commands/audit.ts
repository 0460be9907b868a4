import { command } from '../command.ts'

export const auditVerify = command({
  name: 'audit verify',
  summary: 'Verify an export of the audit trail, without trusting the server',
  details: [
    'Reads an export of a tenant’s activity, without a server. Names the first event that was changed, deleted, swapped, inserted or hashed anew, and the last signed head that anchors the chain.',
    'What was rewritten inside the database, with the keys in it, is found by heads and a key that were kept outside it alone: lines of the server’s log.',
    'A receipt of a revocation is checked against an export, which has to hold the event that it names, or alone against the key.',
    'Exits with 0 where every link holds, with 1 where something was changed, and with 2 or 5 where a file cannot be read.',
  ],
  arguments: [{ name: 'file', description: 'the export, or a receipt alone' }],
  options: {
    receipt: { is: 'value', value: '<file>', description: 'receipt of a revocation that the export has to bear out' },
    heads: { is: 'value', value: '<file>', description: 'log with lines "audit head"' },
    key: {
      is: 'value',
      value: '<file>',
      description: 'public key to believe instead of those in the export: a JWK, as the log line "audit key" has it',
    },
  },
  examples: [
    {
      line: 'valetkey audit verify acme.ndjson --receipt receipt.jws',
      what: 'what a revocation came to, and that the chain has it',
    },
    { line: 'valetkey audit verify acme.ndjson --heads server.log --key key.json', what: 'all that can be known' },
  ],
  run: async (cli, { args: [file = ''], options }) =>
    (await import('../audit.ts')).verifyAudit(cli, { file, ...options }),
})
