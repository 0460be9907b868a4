import { BrokerError } from '../errors.ts'

/** Fields by which the software behind many APIs takes a form that was posted for another method. */
const names = new Set(['_method', '_httpmethod', 'x-http-method-override', '_http_method_override', 'x-http-method'])
/** Longer than any such name, however it is encoded. */
const nameBytesMax = 256

/**
 * How servers read the name of a parameter, in small letters: Rack and qs take brackets off its front, all end it at the
 * next one, and PHP reads one that is not closed as `_`.
 */
export function spellingsOf(name: string): string[] {
  const bare = name.toLowerCase().replace(/^[\s[\]]+/, '')
  const unclosed = bare.replace(/\[(?![^\]]*\])/, '_')
  return [bare, unclosed].map((one) => one.split(/[[\]]/, 1)[0]?.trim() ?? '')
}

/** PHP reads dots and spaces in a name as `_`. */
export const isOverrideName = (name: string): boolean =>
  spellingsOf(name).some((one) => names.has(one) || names.has(one.replaceAll(/[ .]/g, '_')))

const refusal = () => new BrokerError('header_refused', { detail: 'A field of the form asks for another method.' })

/** Reads a form while it passes, for a field that asks for another method; undefined: a body of this type holds none. */
export function overrideGuard(
  contentType: string | undefined,
): ((piece: Buffer) => BrokerError | undefined) | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase()
  if (type === 'application/x-www-form-urlencoded') return inForm()
  if (type?.startsWith('multipart/')) return inParts()
  return undefined
}

/** WHATWG URL, application/x-www-form-urlencoded: names end at `=` or `&`, and may be encoded. */
function inForm(): (piece: Buffer) => BrokerError | undefined {
  let name = ''
  let isName = true
  const isOverride = () => {
    let text = name.replaceAll('+', ' ')
    try {
      text = decodeURIComponent(text)
    } catch {
      // As it stands.
    }
    return isOverrideName(text)
  }
  return (piece) => {
    for (const byte of piece) {
      // & and ;
      if (byte === 0x26 || byte === 0x3b) {
        if (isName && isOverride()) return refusal()
        isName = true
        name = ''
      } else if (!isName) continue
      // =
      else if (byte === 0x3d) {
        if (isOverride()) return refusal()
        isName = false
      } else if (name.length < nameBytesMax) name += String.fromCharCode(byte)
    }
    // What is not finished may become one: it is judged before it leaves, for the body may end here.
    return isName && isOverride() ? refusal() : undefined
  }
}

/** RFC 7578: the names of parts stand in their heads. Text in a file that looks like one is refused as well. */
function inParts(): (piece: Buffer) => BrokerError | undefined {
  let rest = ''
  return (piece) => {
    const text = rest + piece.toString('latin1')
    for (const [, quoted, plain] of text.matchAll(/;\s*name\s*=\s*(?:"([^"\r\n]{1,64})"|([^\s;"]{1,64}))/gi))
      if (names.has((quoted ?? plain ?? '').toLowerCase())) return refusal()
    rest = text.slice(-128)
    return undefined
  }
}
