import { isModestJson } from './json.ts'
import { isToken, lengthOf, type TokenKind, tokenKinds } from './secrets.ts'

/** Where a value stood, in the words of the text or of the scanner: "line 12", "src/app.py:12". */
export type Sighting = { places: Set<string>; times: number }

/** What may be tokens in a text that somebody found. Values stay in here and in the caller's memory; nothing keeps them. */
export type Scan = {
  format: 'text' | 'json' | 'sarif'
  /** Ours by prefix, length and checksum. */
  own: Map<string, Sighting & { kind: TokenKind }>
  /** What might be a token of an upstream. */
  others: Map<string, Sighting>
  /** They begin as ours do, and their checksum is wrong: cut off, mistyped, or made up. */
  damaged: number
  /** There was more than is looked at. */
  isCut: boolean
  /** How many beginnings of ours were looked at. */
  prefixes: number
}

const ownMax = 1_000
/** So many places that begin as ours do are looked at: each costs a checksum. */
const prefixesMax = 20_000
const othersMax = 10_000
const placesMax = 20
const placeMax = 200

/** Fewer characters than this are no secret; more than that are none that we have handed out. */
const shortest = 16
const longest = 8_192
/** A run of token characters that is longer is a file in base64, and no list of values. */
const runMax = 65_536
/** Lines of JSON that are shorter hold no token beside a name. */
const entryMin = 32

/**
 * Finds what may be tokens in a log, in a scanner's report (JSON, lines of JSON, SARIF) or in any text. In time that grows with
 * the length of the text alone: each character is looked at a fixed number of times, and no pattern goes back.
 */
export function scan(text: string): Scan {
  const found: Scan = { format: 'text', own: new Map(), others: new Map(), damaged: 0, isCut: false, prefixes: 0 }
  const whole = documentOf(text)
  if (whole !== undefined) {
    found.format = isSarif(whole) ? 'sarif' : 'json'
    walk(whole, 'the report', (piece, place) => scanPiece(found, piece, place))
    return found
  }
  let number = 0
  for (const line of text.split(/\r\n|\n|\r/)) {
    number += 1
    const place = `line ${number}`
    const entry = line.length < entryMin ? undefined : documentOf(line)
    if (entry === undefined) scanPiece(found, line, place)
    else walk(entry, place, (piece, where) => scanPiece(found, piece, where))
  }
  return found
}

/** JSON, if it is some and modest; undefined: it is read as text. */
function documentOf(text: string): object | undefined {
  if (!/^\s{0,100}[[{]/.test(text) || !isModestJson(Buffer.from(text))) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

const isSarif = (value: object) => 'runs' in value && Array.isArray(value.runs)

/** Every string of a document, names included, with the place that the nearest object around it tells. */
function walk(value: unknown, place: string, told: (piece: string, place: string) => void): void {
  if (typeof value === 'string') told(value, place)
  if (typeof value !== 'object' || value === null) return
  if (Array.isArray(value)) {
    for (const one of value) walk(one, place, told)
    return
  }
  const here = placeIn(value as Record<string, unknown>) ?? place
  for (const [name, inner] of Object.entries(value)) {
    told(name, here)
    walk(inner, here, told)
  }
}

/**
 * Where a finding of a scanner is: SARIF 2.1.0 3.27.12 (`locations`), Gitleaks (`File`, `StartLine`), TruffleHog
 * (`SourceMetadata`), and what else has a file and a line.
 */
function placeIn(entry: Record<string, unknown>): string | undefined {
  const inner =
    path(entry, 'locations', 0, 'physicalLocation') ??
    path(entry, 'SourceMetadata', 'Data', 'Filesystem') ??
    path(entry, 'SourceMetadata', 'Data', 'Git') ??
    entry
  const file =
    path(inner, 'artifactLocation', 'uri') ?? path(inner, 'File') ?? path(inner, 'file') ?? path(inner, 'html_url')
  const line = path(inner, 'region', 'startLine') ?? path(inner, 'StartLine') ?? path(inner, 'line')
  if (typeof file !== 'string' || file === '') return undefined
  return typeof line === 'number' ? `${file}:${line}` : file
}

function path(value: unknown, ...names: (string | number)[]): unknown {
  let inner = value
  for (const name of names) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, name)) return undefined
    inner = (inner as Record<string | number, unknown>)[name]
  }
  return inner
}

const prefix = new RegExp(`vk_(${tokenKinds.join('|')})_`, 'g')
/** Characters of bearer tokens (RFC 6750 2.1, token68). */
const run = new RegExp(`[A-Za-z0-9._~+/=-]{${shortest},}`, 'g')

function scanPiece(found: Scan, text: string, place: string): void {
  for (const { index, 1: kind } of text.matchAll(prefix)) {
    found.prefixes += 1
    if (found.prefixes > prefixesMax) {
      found.isCut = true
      break
    }
    const value = text.slice(index, index + lengthOf(kind as TokenKind))
    if (isToken(kind as TokenKind, value)) {
      const known = found.own.get(value) ?? room(found, found.own, ownMax, value, { kind: kind as TokenKind })
      if (known) note(known, place)
    } else if (/^vk_.._[\w-]{8}/.test(value)) found.damaged += 1
  }
  for (const [word] of text.matchAll(run)) {
    if (word.length > runMax) found.isCut = true
    else
      for (const value of readingsOf(word)) {
        const known = found.others.get(value) ?? room(found, found.others, othersMax, value, {})
        if (known) note(known, place)
      }
  }
}

function room<T extends object>(found: Scan, into: Map<string, T & Sighting>, most: number, value: string, more: T) {
  if (into.size >= most) {
    found.isCut = true
    return undefined
  }
  const sighting = { ...more, places: new Set<string>(), times: 0 }
  into.set(value, sighting)
  return sighting
}

function note(known: Sighting, place: string): void {
  known.times += 1
  if (known.places.size < placesMax) known.places.add(plain(place))
}

/** Cut first: a place may be as long as the text, and stands beside thousands of values. */
const plain = (place: string) =>
  place
    .slice(0, placeMax)
    .replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, ' ')
    .toWellFormed()

/** What a run of token characters may be: all of it, the value behind a name, a part of a path. Each at most once. */
function readingsOf(word: string): Set<string> {
  const readings = new Set<string>()
  // A padding or the end of a sentence is none of a token's; some tokens have one, so both are tried.
  for (const whole of [word, ...word.split('='), ...word.split(/[/=+]/)])
    for (const value of [whole, trimmed(whole)]) if (mayBeToken(value)) readings.add(value)
  return readings
}

function trimmed(word: string): string {
  let end = word.length
  while (end > 0 && '.=-/'.includes(word[end - 1] ?? '')) end -= 1
  return word.slice(0, end)
}

/** Words and paths are none: a random value of this length has a digit, or letters of both cases. Ours are found by their form. */
const mayBeToken = (value: string) =>
  value.length >= shortest &&
  value.length <= longest &&
  (/\d/.test(value) || (/[a-z]/.test(value) && /[A-Z]/.test(value))) &&
  !/^vk_(?:px|sg|at|rt|dc|cs|ac)_/.test(value)
