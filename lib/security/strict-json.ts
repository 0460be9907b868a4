/** A number that a double does not hold exactly: it goes on as it was spelled. */
export class Numeral {
  readonly spelled: string
  constructor(spelled: string) {
    this.spelled = spelled
  }
}

/** Why a text is not taken: it is no JSON (RFC 8259), or JSON that two readers could take in two ways. */
export class JsonError extends Error {
  override readonly name = 'JsonError'
  readonly kind: 'syntax' | 'duplicate' | 'depth'
  constructor(kind: JsonError['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

export type Parsed = {
  value: unknown
  /** Some of its numbers are {@link Numeral}s, which only {@link serialised} writes. */
  hasNumerals: boolean
}

const depthMax = 64

/** Parses JSON in which no object has a name twice (RFC 8259 4: what becomes of those differs from reader to reader). @throws JsonError */
export function parseStrict(text: string): Parsed {
  const reader = new Reader(text)
  const value = reader.document()
  return { value, hasNumerals: reader.hasNumerals }
}

/** @throws JsonError also for bytes that are not UTF-8 */
export function parseStrictBytes(bytes: Uint8Array): Parsed {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new JsonError('syntax', 'it is not UTF-8')
  }
  return parseStrict(text)
}

const space = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y
/** What may not stand in a string as it is. */
const control = /[^\u0020-\uffff]/

class Reader {
  hasNumerals = false
  #at = 0
  readonly #text: string
  constructor(text: string) {
    this.#text = text
  }

  document(): unknown {
    this.#skip()
    const value = this.#value(0)
    this.#skip()
    if (this.#at < this.#text.length) throw this.#wrong()
    return value
  }

  #value(depth: number): unknown {
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth + 1)
      case '[':
        return this.#array(depth + 1)
      case '"':
        return this.#string()
      case 't':
        return this.#word('true', true)
      case 'f':
        return this.#word('false', false)
      case 'n':
        return this.#word('null', null)
      default:
        return this.#number()
    }
  }

  #object(depth: number): object {
    const found: Record<string, unknown> = {}
    this.#enter(depth)
    if (this.#took('}')) return found
    do {
      this.#skip()
      if (this.#text[this.#at] !== '"') throw this.#wrong()
      const name = this.#string()
      if (Object.hasOwn(found, name)) throw new JsonError('duplicate', 'an object has a name twice')
      this.#skip()
      if (!this.#took(':')) throw this.#wrong()
      this.#skip()
      const value = this.#value(depth)
      // An own property and no prototype, as JSON.parse has it.
      if (name === '__proto__')
        Object.defineProperty(found, name, { value, enumerable: true, configurable: true, writable: true })
      else found[name] = value
      this.#skip()
    } while (this.#took(','))
    if (!this.#took('}')) throw this.#wrong()
    return found
  }

  #array(depth: number): unknown[] {
    const found: unknown[] = []
    this.#enter(depth)
    if (this.#took(']')) return found
    do {
      this.#skip()
      found.push(this.#value(depth))
      this.#skip()
    } while (this.#took(','))
    if (!this.#took(']')) throw this.#wrong()
    return found
  }

  #string(): string {
    const start = this.#at
    let end = this.#text.indexOf('"', start + 1)
    for (; end >= 0; end = this.#text.indexOf('"', end + 1)) {
      let slashes = 0
      while (this.#text[end - 1 - slashes] === '\\') slashes += 1
      if (slashes % 2 === 0) break
    }
    if (end < 0) throw this.#wrong()
    this.#at = end + 1
    const inner = this.#text.slice(start + 1, end)
    if (control.test(inner)) throw this.#wrong()
    if (!inner.includes('\\')) return inner
    try {
      return JSON.parse(`"${inner}"`)
    } catch {
      throw this.#wrong()
    }
  }

  #number(): number | Numeral {
    number.lastIndex = this.#at
    const [spelled] = number.exec(this.#text) ?? []
    if (spelled === undefined) throw this.#wrong()
    this.#at += spelled.length
    const value = Number(spelled)
    if (Number.isFinite(value) && (spelled.length < 16 || String(value) === spelled)) return value
    this.hasNumerals = true
    return new Numeral(spelled)
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#wrong()
    this.#at += word.length
    return value
  }

  #enter(depth: number): void {
    if (depth > depthMax) throw new JsonError('depth', `it is nested deeper than ${depthMax}`)
    this.#at += 1
    this.#skip()
  }

  #took(char: string): boolean {
    if (this.#text[this.#at] !== char) return false
    this.#at += 1
    return true
  }

  #skip(): void {
    space.lastIndex = this.#at
    space.test(this.#text)
    this.#at = space.lastIndex
  }

  #wrong = () => new JsonError('syntax', `it is not JSON at character ${this.#at}`)
}

/** Writes what {@link parseStrict} read; numbers as they were spelled. */
export const serialised = (value: unknown, hasNumerals: boolean): string =>
  hasNumerals ? written(value) : JSON.stringify(value)

function written(value: unknown): string {
  if (value instanceof Numeral) return value.spelled
  if (Array.isArray(value)) return `[${value.map(written).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, inner]) => inner !== undefined)
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${written(inner)}`).join(',')}}`
}

/** The same for hashing: names sorted, so that what means the same is written the same (RFC 8785 in spirit). */
export function canonical(value: unknown): string {
  if (value instanceof Numeral) return value.spelled
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  const members = Object.entries(value).filter(([, inner]) => inner !== undefined)
  members.sort(([a], [b]) => (a < b ? -1 : 1))
  return `{${members.map(([name, inner]) => `${JSON.stringify(name)}:${canonical(inner)}`).join(',')}}`
}
