import { open, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JWK } from 'jose'
import { UnreadableError, type Verdict, verifyExport } from '../../lib/audit/verify.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { isMissing } from './files.ts'

type Given = { file: string; heads: string | undefined; key: string | undefined }

/** Answers 0 where every link holds and 1 where something was changed. @throws Failure what cannot be read */
export async function verifyAudit(cli: Pick<Cli, 'cwd' | 'out'>, { file, heads, key }: Given): Promise<number> {
  let verdict: Verdict
  try {
    verdict = await verifyExport(linesOf(resolve(cli.cwd, file)), {
      ...(heads !== undefined && { heads: linesOf(resolve(cli.cwd, heads)) }),
      ...(key !== undefined && { keys: [JSON.parse(await readFile(resolve(cli.cwd, key), 'utf8')) as JWK] }),
    })
  } catch (error) {
    throw failureOf(error)
  }
  cli.out.answer(verdict, () => tell(cli, verdict))
  return verdict.fault ? 1 : 0
}

async function* linesOf(file: string) {
  yield* (await open(file)).readLines()
}

function failureOf(error: unknown): unknown {
  if (isMissing(error)) return new Failure('not_found', error instanceof Error ? error.message : '', { cause: error })
  if (error instanceof SyntaxError)
    return new Failure('usage', 'The key is not JSON.', { code: 'unreadable', cause: error })
  if (error instanceof UnreadableError) return new Failure('usage', error.message, { code: 'unreadable', cause: error })
  return error
}

function tell({ out }: Pick<Cli, 'out'>, { tenant, events, anchor, unsealed, fault }: Verdict): void {
  out.line(`Tenant ${tenant}: ${events} events read, the chain is intact up to #${events}.`)
  if (fault)
    out.line(
      { text: `FIRST FAULT at #${fault.seq}${fault.id ? ` (${fault.id})` : ''}`, style: ['bold', 'red'] },
      `: ${fault.reason}`,
    )
  if (anchor) {
    const from = anchor.from === 'outside' ? 'kept outside the database' : 'from the export itself'
    out.line(`Last signed head: #${anchor.seq}, signed ${anchor.time} with key ${anchor.keyId}, ${from}.`)
  } else out.line('No signed head covers any of them.')
  if (!fault && anchor && anchor.seq < events)
    out.line(`${events - anchor.seq} events after it are chained but not signed.`)
  if (unsealed) out.line(`${unsealed} more were not chained yet when the export was written.`)
  out.line('Truncation after the last signed head cannot be detected.')
}
