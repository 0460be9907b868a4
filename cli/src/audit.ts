import { open, readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { JWK } from 'jose'
import {
  isSigned,
  type Receipt,
  UnreadableError,
  type Verdict,
  verifyExport,
  verifyReceipt,
} from '../../lib/audit/verify.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { isMissing } from './files.ts'

type Given = { file: string; heads: string | undefined; key: string | undefined; receipt: string | undefined }

/** Answers 0 where every link holds and 1 where something was changed. @throws Failure what cannot be read */
export async function verifyAudit(cli: Pick<Cli, 'cwd' | 'out'>, given: Given): Promise<number> {
  const { file, heads } = given
  const textOf = (name: string) => readFile(resolve(cli.cwd, name), 'utf8')
  let verdict: Verdict
  try {
    const keys = given.key === undefined ? undefined : [JSON.parse(await textOf(given.key)) as JWK]
    if (await isReceipt(resolve(cli.cwd, file))) return await verifyAlone(cli, await textOf(file), keys)
    verdict = await verifyExport(linesOf(resolve(cli.cwd, file)), {
      ...(heads !== undefined && { heads: linesOf(resolve(cli.cwd, heads)) }),
      ...(keys && { keys }),
      ...(given.receipt !== undefined && { receipt: await textOf(given.receipt) }),
    })
  } catch (error) {
    throw failureOf(error)
  }
  cli.out.answer(verdict, () => tell(cli, verdict))
  return verdict.fault ? 1 : 0
}

/** Without the chain: who signed it, and what it states. */
async function verifyAlone({ out }: Pick<Cli, 'out'>, jws: string, keys: JWK[] | undefined): Promise<number> {
  if (!keys)
    throw new Failure('usage', 'A receipt alone needs the key that signed it: --key FILE, or give it with an export.')
  const { receipt, keyId } = await verifyReceipt(jws, keys)
  out.answer({ receipt, keyId }, () => {
    tellReceipt({ out }, receipt)
    out.line(
      `Its signature holds, by key ${keyId}. Whether its event is in the chain, an export tells: --receipt FILE.`,
    )
  })
  return 0
}

/** An export is lines of JSON, a receipt is a JWS. */
async function isReceipt(file: string): Promise<boolean> {
  for await (const line of linesOf(file)) if (line.trim() !== '') return isSigned(line)
  return false
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

function tell({ out }: Pick<Cli, 'out'>, { tenant, events, anchor, unsealed, fault, receipt }: Verdict): void {
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
  if (receipt && !fault) {
    tellReceipt({ out }, receipt)
    out.line(
      receipt.event
        ? `The chain bears it out: event #${receipt.event.seq} (${receipt.event.id}).`
        : 'It names no event of the chain: the act could not be recorded there yet. Ask for another receipt.',
    )
  }
}

/** What a receipt states, truth by truth. */
function tellReceipt({ out }: Pick<Cli, 'out'>, receipt: Receipt): void {
  const { blocked_here: here, upstream, latest_moment: latest } = receipt
  const reason = receipt.reason === null ? '' : ` Reason: ${receipt.reason}`
  const what =
    receipt.kind === 'held' ? `everything of ${receipt.user_id}` : `${receipt.counts[receipt.kind]} ${receipt.kind}`
  out.line({ text: `Receipt of ${receipt.act}`, style: 'bold' }, `, as of ${receipt.made_at}.`)
  out.line(`Revoked by ${receipt.by} at ${receipt.revoked_at}: ${what}.${reason}`)
  const marked = `${here.ended} of ${here.total} marked`
  out.line(here.since ? `Blocked here since ${here.since}, ${marked}.` : `Blocked here: under way, ${marked}.`)
  const states = Object.entries(upstream).filter(([, count]) => count > 0)
  out.line(`Upstream: ${states.map(([state, count]) => `${count} ${state}`).join(', ') || 'nothing to do'}.`)
  if (upstream.confirmed > 0 && receipt.proved_at)
    out.line(`The last of them was seen dead there at ${receipt.proved_at}.`)
  const until = latest === 'unknown' ? 'not known' : latest
  out.line(latest === null ? 'Nothing of it can work any more.' : `Could still work until: ${until}.`)
  out.line(receipt.settled_at ? `Over since ${receipt.settled_at}.` : 'Not over: something of it is still pending.')
}
