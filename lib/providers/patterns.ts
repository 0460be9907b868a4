export { filledPaths, placeholdersIn } from '../client/patterns.ts'

/** Methods that pass. The others of HTTP name a second resource in a header, or another server (RFC 9110 9.3, RFC 4918). */
export const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const

/** A segment as it is sent (RFC 3986 3.3). Every expression here is read alike by all validators of JSON Schema. */
const literal = "(?:[A-Za-z0-9_.~!$&'()+,=:@-]|%[0-9A-F]{2})+"
export const patternShape = new RegExp(
  `^(?:\\*|(?:${methods.join('|')})(?:,(?:${methods.join('|')}))*) (?:/(?:\\*|${literal}))*(?:/|/\\*\\*)?$`,
)
export const patternMax = 500

/** Beside its shape: there is a path, and none of its segments is dots. */
export const hasPlainPath = (pattern: string): boolean =>
  pattern.includes(' /') && !(pattern.split(' ', 2)[1] ?? '').split('/').some((one) => one === '.' || one === '..')

/** Whether text is a pattern such as `GET /repos/*\/issues`; without zod, so that a form can ask as well. */
export const isPattern = (text: string): boolean =>
  text.length <= patternMax && patternShape.test(text) && hasPlainPath(text)
