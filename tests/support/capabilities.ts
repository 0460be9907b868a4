import { readFileSync, writeFileSync } from 'node:fs'
import { expect } from 'vitest'

const file = new URL('../../docs/capabilities.md', import.meta.url)
export type Capability = 'link' | 'rotate' | 'narrow' | 'mint' | 'exchange' | 'proxy' | 'sign' | 'revoke'
/** What a test saw work, and against what; or why there is nothing to see. */
export type Cell =
  | 'real verifier'
  | 'real server'
  | 'faithful server'
  | 'demo server'
  | 'not offered by it'
  | 'not documented'
/** One table has the same columns in all its rows. */
export type Row = { name: string; cells: Partial<Record<Capability, Cell>> }

/**
 * Compares a section of docs/capabilities.md with what the tests of a file did in this run. With VALETKEY_WRITE_DOCS=1 it is
 * written instead.
 */
export function expectSection(section: string, rows: Row[]): void {
  const capabilities = Object.keys(rows[0]?.cells ?? {}) as Capability[]
  const lines = rows.map(({ name, cells }) => `| ${name} | ${capabilities.map((each) => cells[each]).join(' | ')} |`)
  const table = [`| | ${capabilities.join(' | ')} |`, `|${'---|'.repeat(capabilities.length + 1)}`, ...lines].join('\n')
  const [begin, end] = [`<!-- ${section} -->`, `<!-- end of ${section} -->`]
  const text = readFileSync(file, 'utf8')
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < 0) throw new Error(`docs/capabilities.md has no section "${section}"`)
  const made = `${text.slice(0, from + begin.length)}\n${table}\n${text.slice(to)}`
  if (process.env.VALETKEY_WRITE_DOCS === '1') writeFileSync(file, made)
  else expect(text, 'write it with VALETKEY_WRITE_DOCS=1').toBe(made)
}
