// npm run audit:verify -- FILE [--heads FILE] [--key FILE]
//
// FILE: an export of a tenant's activity. --heads: log lines `audit head`, kept outside the database; what was rewritten
// inside it is found by these alone. --key: the public key to believe (a JWK, as the log line `audit key` has it)
// instead of those that the export brings. Exit 0: every link holds; 1: something was changed; 2: this cannot be read.
import { open, readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { UnreadableError, verifyExport } from '../lib/audit/verify.ts'

async function* read(file) {
  yield* (await open(file)).readLines()
}

function tell({ tenant, events, anchor, unsealed, fault }) {
  const lines = [`Tenant ${tenant}: ${events} events read, the chain is intact up to #${events}.`]
  if (fault) lines.push(`FIRST FAULT at #${fault.seq}${fault.id ? ` (${fault.id})` : ''}: ${fault.reason}`)
  if (anchor) {
    const from = anchor.from === 'outside' ? 'kept outside the database' : 'from the export itself'
    lines.push(`Last signed head: #${anchor.seq}, signed ${anchor.time} with key ${anchor.keyId}, ${from}.`)
  } else lines.push('No signed head covers any of them.')
  if (!fault && anchor && anchor.seq < events)
    lines.push(`${events - anchor.seq} events after it are chained but not signed.`)
  if (unsealed) lines.push(`${unsealed} more were not chained yet when the export was written.`)
  lines.push('Truncation after the last signed head cannot be detected.')
  return lines.join('\n')
}

try {
  const { values, positionals } = parseArgs({
    options: { heads: { type: 'string' }, key: { type: 'string' } },
    allowPositionals: true,
  })
  const [file] = positionals
  if (!file || positionals.length > 1)
    throw new UnreadableError('Usage: npm run audit:verify -- FILE [--heads FILE] [--key FILE]')
  const verdict = await verifyExport(read(file), {
    ...(values.heads && { heads: read(values.heads) }),
    ...(values.key && { keys: [JSON.parse(await readFile(values.key, 'utf8'))] }),
  })
  console.log(tell(verdict))
  process.exitCode = verdict.fault ? 1 : 0
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
