import { BrokerError } from '../errors.ts'

/** Fields by which the software behind many APIs takes what was posted for another method. */
const names = new Set(['_method', '_httpmethod', 'x-http-method-override', '_http_method_override', 'x-http-method'])
/** Longer than any such name, however it is encoded. */
const nameBytesMax = 256
const valueBytesMax = 256

/**
 * How servers read the name of a parameter, in small letters: Rack and qs take brackets off its front, all end it at the
 * next one, and PHP reads one that is not closed as `_` and nothing behind a NUL.
 */
export function spellingsOf(name: string): string[] {
  const bare = name.toLowerCase().replace(/^[\s[\]]+/, '')
  // Found without a look ahead from each of thousands.
  const at = bare.indexOf('[', bare.lastIndexOf(']') + 1)
  const unclosed = at < 0 ? bare : `${bare.slice(0, at)}_${bare.slice(at + 1)}`
  return [bare, unclosed].map((one) => one.split(/[[\]\0]/, 1)[0]?.trim() ?? '')
}

/** PHP reads dots and spaces in a name as `_`. */
export const isOverrideName = (name: string): boolean =>
  /method/i.test(name) && spellingsOf(name).some((one) => names.has(one) || names.has(one.replaceAll(/[ .]/g, '_')))

const refusal = (what = 'A field of the form asks for another method.') =>
  new BrokerError('header_refused', { detail: what })

type Guard = (piece: Buffer) => BrokerError | undefined

/** Reads a body while it passes, for a field that asks for another method; undefined: one of this type holds none. */
export function overrideGuard(contentType = '', contentEncoding = ''): Guard | undefined {
  // PHP and Rack end the type at a comma, PHP at a space as well.
  const type =
    contentType
      .trim()
      .toLowerCase()
      .split(/[;,\s]/, 1)[0] ?? ''
  // Rack takes what has no type for a form.
  const isForm = type === 'application/x-www-form-urlencoded' || type === ''
  if (!isForm && !type.startsWith('multipart/')) return /[/+]json/i.test(contentType) ? inJson() : undefined
  // Many servers inflate what they are sent (body-parser does unless it is told not to), and we do not.
  if (!/^\s*(?:identity\s*)?$/i.test(contentEncoding) && type !== '')
    return () => refusal('A form that is compressed cannot be read for fields that ask for another method.')
  return isForm ? inForm() : inParts()
}

/** Escapes undone, byte by byte: what is no UTF-8 hides nothing. `%u005f` is one to ASP.NET. */
export const unescaped = (text: string) =>
  text.replaceAll(/%(?:u([0-9a-f]{4})|([0-9a-f]{2}))/gi, (_, long?: string, short?: string) =>
    String.fromCharCode(Number.parseInt(long ?? short ?? '', 16)),
  )

/** WHATWG URL, application/x-www-form-urlencoded: names end at `=` or `&`, and may be encoded. */
function inForm(): Guard {
  let name = ''
  let isName = true
  // Nearly every name is told by the first.
  const isOverride = () => /method|%/i.test(name) && isOverrideName(unescaped(name.replaceAll('+', ' ')))
  return (piece) => {
    for (let at = 0; at < piece.length; at += 1) {
      // A value, or a name that is too long to be one that is looked for, counts for nothing until the next begins.
      if (!isName) while (at < piece.length && !isSeparator(piece[at])) at += 1
      const byte = piece[at]
      if (byte === undefined) break
      if (isSeparator(byte)) {
        if (isName && isOverride()) return refusal()
        isName = true
        name = ''
      }
      // =
      else if (byte === 0x3d) {
        if (isOverride()) return refusal()
        isName = false
      } else {
        name += String.fromCharCode(byte)
        if (name.length < nameBytesMax) continue
        // What is taken off its front anyway does not make it long.
        name = name.replace(/^(?:[\s+[\]]|%(?:0[9-d]|20|5b|5d))+/i, '')
        if (isOverride()) return refusal()
        if (name.length > nameBytesMax / 2) isName = false
      }
    }
    // What is not finished may become one: it is judged before it leaves, for the body may end here.
    return isName && isOverride() ? refusal() : undefined
  }
}

/** & and ; */
const isSeparator = (byte: number | undefined) => byte === 0x26 || byte === 0x3b

/** RFC 7578: the names of parts stand in their heads. Text in a file that looks like one is refused as well. */
function inParts(): Guard {
  let rest = ''
  return (piece) => {
    // Runs of what is skipped in front of a name are one: none is longer than what is kept of the last piece.
    const text = (rest + piece.toString('latin1')).replaceAll(/(?:\\?[\s[\]]){2,}/g, (run) =>
      /[[\]]/.test(run) ? '[' : ' ',
    )
    for (const { 0: begin, 1: extended = '', index } of text.matchAll(/[;:]\s?name(\*0?\*?)?\s?=\s?/gi)) {
      const at = index + begin.length
      const name = parameterOf(text.slice(at, at + valueBytesMax), extended !== '')
      // The rest of it may follow as `name*1` (RFC 2231 3).
      const isBegun = extended.startsWith('*0') && name !== '' && [...names].some((one) => one.startsWith(name))
      if (isBegun || isOverrideName(name)) return refusal()
    }
    rest = text.slice(-2 * valueBytesMax)
    return undefined
  }
}

const quoted = /^(?:"((?:\\.|[^\\"])*)|'((?:\\.|[^\\'])*)|([^\s;,"]*))/s

/** A parameter's value as any of them reads it: quoted in either way, with quoted pairs, RFC 8187 or RFC 2047. */
function parameterOf(text: string, isExtended: boolean): string {
  const [, double, single, token = ''] = quoted.exec(text) ?? []
  const value = (double ?? single)?.replaceAll(/\\(.)/gs, '$1') ?? token
  const plain = unescaped(isExtended ? value.replace(/^[\w-]*'[\w-]*'/, '') : value)
  return plain
    .replaceAll(/=\?[^?]*\?([bq])\?([^?]*)\?=/gi, (_, coding: string, word: string) =>
      coding.toLowerCase() === 'b'
        ? Buffer.from(word, 'base64').toString('latin1')
        : unescaped(word.replaceAll('_', ' ').replaceAll('=', '%')),
    )
    .toLowerCase()
}

/** RFC 8259: names of the outermost object. Laravel reads `_method` there as it does in a form. */
function inJson(): Guard {
  let depth = 0
  let string: string | undefined
  let isEscaped = false
  let last = ''
  return (piece) => {
    for (const byte of piece) {
      if (string !== undefined) {
        if (!isEscaped && byte === 0x22) {
          last = depth === 1 ? string : ''
          string = undefined
          continue
        }
        isEscaped = !isEscaped && byte === 0x5c
        if (depth === 1 && string.length < nameBytesMax) string += String.fromCharCode(byte)
      }
      // "
      else if (byte === 0x22) string = ''
      // [ and {, then ] and }
      else if (byte === 0x5b || byte === 0x7b) depth += 1
      else if (byte === 0x5d || byte === 0x7d) depth -= 1
      // :
      else if (byte === 0x3a && last !== '' && names.has(jsonText(last).toLowerCase()))
        return refusal('A field of the body asks for another method.')
    }
    return undefined
  }
}

const jsonText = (raw: string) =>
  raw.replaceAll(/\\u([0-9a-f]{4})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
