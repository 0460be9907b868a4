import type { NamedRules } from '@/lib/providers/kind.ts'
import { filledPaths, isPattern, placeholdersIn } from '@/lib/providers/patterns.ts'
import type { Rights } from '@/lib/providers/provider.ts'
import type { Rules } from '@/lib/providers/rules.ts'

/** A path as it is being written, with its methods; `*` for all of them. */
export type PathRow = { key: number; methods: string[]; path: string }

/** Rules as they are being put together. Nothing is chosen until somebody does. */
export type RulesDraft = {
  access: Rules['access'] | null
  rows: PathRow[]
  /** Named rules that were ticked, and what their placeholders are filled with. */
  ticked: Record<string, Record<string, string>>
}

export const emptyRow = (rows: readonly PathRow[]): PathRow => ({
  key: Math.max(0, ...rows.map(({ key }) => key)) + 1,
  methods: [],
  path: '',
})

/** A draft with nothing in it, or with the rules of an earlier token. */
export function draftOf(rules?: Rights): RulesDraft {
  const { access, paths } = (rules ?? {}) as Partial<Extract<Rules, { access: 'paths' }>>
  const rows = (paths ?? []).map((pattern, index) => {
    const [methods = '', path = ''] = pattern.split(' ', 2)
    return { key: index + 1, methods: methods.split(','), path }
  })
  return { access: access ?? null, rows: rows.length > 0 ? rows : [emptyRow([])], ticked: {} }
}

export const patternOf = ({ methods, path }: Pick<PathRow, 'methods' | 'path'>): string =>
  `${methods.join(',')} ${path.trim()}`

const isBlank = ({ methods, path }: PathRow) => methods.length === 0 && path.trim() === ''

/** What is wrong with a row that somebody has begun to fill in. */
export function rowFault(row: PathRow): string | undefined {
  if (isBlank(row)) return undefined
  const path = row.path.trim()
  if (path !== '') {
    const fault = pathFault(path)
    if (fault) return fault
  }
  return isPattern(patternOf(row)) || row.methods.length === 0 || path === '' ? undefined : 'This is too long.'
}

function pathFault(path: string): string | undefined {
  if (isPattern(`GET ${path}`)) return undefined
  if (!path.startsWith('/')) return 'Begin with “/”.'
  if (/[?#]/.test(path)) return 'Leave out the query: a rule is about the path alone.'
  if (/\{|\}/.test(path)) return 'Fill in what stands in braces, or use “*”.'
  const segments = path.split('/').slice(1)
  if (segments.some((one) => one === '.' || one === '..')) return 'Leave out “.” and “..”.'
  if (segments.slice(0, -1).some((one) => one === '**' || one === ''))
    return 'No segment may be empty, and “/**” stands only at the end.'
  if (segments.some((one) => one.includes('*') && one !== '*' && one !== '**'))
    return '“*” stands for a whole segment, not for a part of one.'
  return 'Write other characters percent-encoded with capitals, such as %20.'
}

/** What is wrong with what a placeholder is filled with. */
export function valueFault(value: string): string | undefined {
  const text = value.trim()
  if (text === '') return undefined
  if (/[/\\]/.test(text)) return 'One part of the path, without slashes.'
  if (text.includes('%')) return 'Write it as it is: it is encoded for you.'
  return isPattern(`GET /${filledPaths(['{value}'], { value: text })[0]}`) ? undefined : '“*” stands alone, for any.'
}

const pathsMax = 50

/** The rules that a draft comes to, or what is still to be done. */
export function readDraft(
  { access, rows, ticked }: RulesDraft,
  { readOnly, named }: { readOnly: boolean; named: readonly NamedRules[] },
): { rules: Rules } | { todo: string } {
  if (access === 'everything' || (access === 'read_only' && readOnly)) return { rules: { access } }
  if (access !== 'paths') return { todo: 'choose what it may do' }
  const filled = named.flatMap(({ name, paths }) => {
    const values = ticked[name]
    if (!values) return []
    const isFilled = placeholdersIn(paths).every((one) => values[one]?.trim() && !valueFault(values[one]))
    return isFilled ? filledPaths(paths, values) : ['']
  })
  const patterns = [...new Set([...filled, ...rows.filter((row) => !isBlank(row)).map(patternOf)])]
  if (patterns.length === 0) return { todo: 'choose or write at least one path' }
  if (patterns.length > pathsMax) return { todo: `take at most ${pathsMax} paths` }
  if (!patterns.every(isPattern)) return { todo: 'complete the paths' }
  return { rules: { access, paths: patterns } }
}
