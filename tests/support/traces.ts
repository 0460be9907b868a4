/** Spellings in which a secret might lie somewhere, each with what of it does not depend on what stands around it. */
export const encodings: Record<string, (secret: string) => string[]> = {
  plain: (secret) => [secret],
  'percent-encoded': (secret) => [
    encodeURIComponent(secret),
    encodeURIComponent(secret).replace(/%../g, (one) => one.toLowerCase()),
    everyByte(secret, (byte) => `%${hex(byte).toUpperCase()}`),
    everyByte(secret, (byte) => `%${hex(byte)}`),
  ],
  'JSON escapes': (secret) => [
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
    JSON.stringify(JSON.stringify(secret)).slice(3, -3),
    everyByte(secret, (byte) => `\\u00${hex(byte)}`),
    everyByte(secret, (byte) => `\\u00${hex(byte).toUpperCase()}`),
  ],
  hex: (secret) => [Buffer.from(secret).toString('hex')],
  'hex in upper case': (secret) => [Buffer.from(secret).toString('hex').toUpperCase()],
  ...Object.fromEntries(
    (['base64', 'base64url'] as const).flatMap((encoding) =>
      [0, 1, 2].map((alignment) => [
        `${encoding}, ${alignment} bytes in`,
        (secret: string) => [aligned(secret, encoding, alignment)],
      ]),
    ),
  ),
}

const hex = (byte: number) => byte.toString(16).padStart(2, '0')
const everyByte = (secret: string, spell: (byte: number) => string) => [...Buffer.from(secret)].map(spell).join('')

/**
 * The characters of a base64 that are the secret's alone, where it begins `alignment` bytes into a group of three: those
 * at the edges are shared with whatever is beside it.
 */
function aligned(secret: string, encoding: 'base64' | 'base64url', alignment: number): string {
  const bytes = Buffer.concat([Buffer.alloc(alignment), Buffer.from(secret)])
  const first = Math.ceil((alignment * 8) / 6)
  return bytes.toString(encoding).slice(first, Math.floor((bytes.length * 8) / 6))
}

/** Every spelling of a secret, for looking one up in a text as a whole. */
export const formsOf = (secret: string): string[] => [
  ...new Set(Object.values(encodings).flatMap((spell) => spell(secret))),
]

/**
 * How many characters of a spelling are looked for together: 16 at least, and as many as eight bytes of the secret take,
 * which is too much to stand somewhere by chance.
 */
const widthOf = (secret: string, text: string) => Math.max(16, Math.ceil((8 * text.length) / Buffer.byteLength(secret)))

/** A piece of so many characters of a spelling is found, wherever it was cut. */
export const shortestPiece = (secret: string, text: string) => 2 * widthOf(secret, text) - 1

export type Trace = { name: string; encoding: string }

/**
 * Looks for pieces of secrets, in every spelling, in any number of texts: what was cut off in a log, or is broken into
 * lines, is found as well. `secrets`: what they are called in a finding, by value.
 */
export function makeSearch(secrets: ReadonlyMap<string, string>) {
  const shortest = 16
  /** Pieces by what they begin with. */
  const pieces = new Map<string, { piece: string; trace: Trace }[]>()
  // Three bytes decide for most positions of a text that nothing begins there.
  const begins = new Uint8Array(1 << 24)
  const add = (piece: string, trace: Trace) => {
    const known = pieces.get(piece.slice(0, shortest))
    if (known) known.push({ piece, trace })
    else pieces.set(piece.slice(0, shortest), [{ piece, trace }])
    begins[piece.charCodeAt(0) | (piece.charCodeAt(1) << 8) | (piece.charCodeAt(2) << 16)] = 1
  }
  for (const [secret, name] of secrets)
    for (const [encoding, spell] of Object.entries(encodings))
      for (const text of spell(secret)) {
        const width = widthOf(secret, text)
        if (text.length < width) throw new Error(`${name} is too short to be looked for`)
        for (let at = 0; at + width <= text.length; at += width) add(text.slice(at, at + width), { name, encoding })
        add(text.slice(-width), { name, encoding })
      }
  return {
    /** What is found in a text, each secret and encoding once. */
    in(content: Buffer | string): Trace[] {
      const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
      const found = new Map<string, Trace>()
      let [one, two, three] = [bytes[0] ?? 0, bytes[1] ?? 0, 0]
      for (let at = 0; at + shortest <= bytes.length; at += 1) {
        three = bytes[at + 2] ?? 0
        if (begins[one | (two << 8) | (three << 16)] === 1)
          for (const { piece, trace } of pieces.get(bytes.toString('latin1', at, at + shortest)) ?? [])
            if (bytes.toString('latin1', at, at + piece.length) === piece)
              found.set(`${trace.name} ${trace.encoding}`, trace)
        one = two
        two = three
      }
      return [...found.values()]
    },
  }
}
