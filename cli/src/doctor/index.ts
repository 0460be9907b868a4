import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import type { Style } from '../output.ts'
import { findPlace, type Place } from '../place.ts'
import { machineChecks } from './machine.ts'
import { networkChecks } from './network.ts'

export type Finding = { check: string; state: 'ok' | 'warn' | 'fail'; what: string; fix: string | null }
export const ok = (check: string, what: string): Finding => ({ check, state: 'ok', what, fix: null })
export const warn = (check: string, what: string, fix: string): Finding => ({ check, state: 'warn', what, fix })
export const fail = (check: string, what: string, fix: string): Finding => ({ check, state: 'fail', what, fix })

const styles: Record<Finding['state'], Style> = { ok: 'green', warn: 'yellow', fail: 'red' }

/** Answers 0, or 10 where something does not work. What cannot be looked at is a finding, and keeps nothing else from being shown. */
export async function examine(cli: Cli): Promise<number> {
  const findings: Finding[] = []
  for await (const finding of machineChecks(cli)) findings.push(finding)
  const place = await placeOf(cli)
  if ('check' in place) findings.push(place)
  else {
    cli.out.progress(`Asking ${place.server} …`)
    for await (const finding of networkChecks(cli, place)) findings.push(finding)
  }
  cli.out.answer({ server: 'check' in place ? null : place.server, findings }, () => {
    cli.out.table(
      ['check', 'state', 'found'],
      findings.map(({ check, state, what }) => [check, { text: state, style: styles[state] }, what]),
    )
    const fixes = findings.filter(({ fix }) => fix !== null)
    if (fixes.length > 0) cli.out.line()
    for (const { check, state, fix } of fixes) cli.out.line({ text: check, style: styles[state] }, `: ${fix}`)
  })
  return findings.some(({ state }) => state === 'fail') ? 10 : 0
}

async function placeOf(cli: Cli): Promise<Place | Finding> {
  try {
    return await findPlace(cli)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const [what = ''] = error.message.split('\n')
    return error.code === 'no_server'
      ? warn('server', 'none is named, so none was asked', 'valetkey doctor --server https://your.valetkey.example')
      : fail('server', what, error.next ?? 'Correct the address.')
  }
}
