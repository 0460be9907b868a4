import { Failure } from '../failure.ts'
import { mask } from './kind.ts'

/** @throws Failure */
export function parseFile<T>(text: string, parse: (value: unknown) => T | undefined, title: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {}
  const parsed = value === undefined ? undefined : parse(value)
  if (parsed !== undefined) return parsed
  throw new Failure('failed', `This is not as ${title} writes it.`, {
    code: 'unknown_format',
    next: 'Nothing was changed.',
  })
}

/** Every string is masked, but those of the keys that are known to hold nothing secret, and no line is added or lost. */
export function maskedJson(text: string, open: ReadonlySet<string>): string {
  // A string, and whether a colon follows: then it is a key.
  const string = /"(?:[^"\\]|\\.)*"(\s*:)?/g
  let key = ''
  return text.replace(string, (literal, colon: string | undefined) => {
    if (colon !== undefined) {
      key = literal.slice(1, literal.lastIndexOf('"'))
      return literal
    }
    return open.has(key) ? literal.replace(/\/\/[^/@"]*@/, `//${mask}@`) : `"${mask}"`
  })
}
