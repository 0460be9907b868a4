import { createCipheriv, createDecipheriv, KeyObject, randomBytes } from 'node:crypto'
import { z } from 'zod'
import { Secret } from './secrets.ts'

/** Where a sealed value belongs. All of it is authenticated: moved or rolled back, the value no longer opens (V-03). */
export type Location = {
  tenant: string
  table: string
  row: string
  column: string
  /** The person it belongs to; `-` if it is shared. */
  user: string
  /** The row's token version, so that an older value in the same place is refused; 0 where a row has none. */
  version: number
}

export type SealKey = { id: string; key: CryptoKey }

const format = 'vk1'
const decoder = new TextDecoder('utf-8', { fatal: true })

/** A sealed value did not open; deliberately the same error for every cause (V-04). */
export class UnsealError extends Error {
  override readonly name = 'UnsealError'
  constructor() {
    super('A sealed value cannot be opened')
  }
}

/** Whether a value did not open; the class alone does not tell, because two bundles load this file. */
export const isUnsealError = (error: unknown): boolean => error instanceof Error && error.name === 'UnsealError'

/** Imports 32 bytes as an A256GCM key that cannot be exported again. */
export const sealKey = async (id: string, bytes: Uint8Array): Promise<SealKey> => ({
  id,
  key: await crypto.subtle.importKey('raw', new Uint8Array(bytes), 'AES-GCM', false, ['encrypt', 'decrypt']),
})

/**
 * Seals text as a compact JWE (`dir`, A256GCM, fresh 96-bit nonce) whose protected header names its place. By Node's own AES-GCM, as
 * {@link open} does.
 */
export async function seal({ id, key }: SealKey, location: Location, value: Secret | string): Promise<string> {
  const text = typeof value === 'string' ? value : value.reveal()
  const header = { alg: 'dir', enc: 'A256GCM', kid: id, typ: format, ...location }
  const head = Buffer.from(JSON.stringify(header)).toString('base64url')
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', KeyObject.from(key), nonce, { authTagLength: 16 })
  cipher.setAAD(Buffer.from(head, 'ascii'))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  const parts = [nonce, sealed, cipher.getAuthTag()].map((bytes) => bytes.toString('base64url'))
  return [head, '', ...parts].join('.')
}

const Header = z.object({
  kid: z.string(),
  tenant: z.string(),
  table: z.string(),
  row: z.string(),
  column: z.string(),
  user: z.string(),
  version: z.number(),
})

/** The protected header of a sealed value as it stands; undefined: there is none. Nothing of it is vouched for. */
function rawHeader(sealed: string): Record<string, unknown> | undefined {
  try {
    const head: unknown = JSON.parse(decoder.decode(Buffer.from(sealed.split('.', 1)[0] ?? '', 'base64url')))
    return typeof head === 'object' && head !== null ? (head as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** The key id that a sealed value names, or undefined if it names none. */
export function sealedWith(sealed: string): string | undefined {
  const kid = rawHeader(sealed)?.kid
  return typeof kid === 'string' ? kid : undefined
}

/** Whether a value was sealed by a newer version of this program: not broken, but nothing that we can read (H-06). */
export function isNewerFormat(sealed: string): boolean {
  const typ = String(rawHeader(sealed)?.typ)
  return /^vk\d+$/.test(typ) && Number(typ.slice(2)) > Number(format.slice(2))
}

/** The place that a sealed value claims. It is true only once the value has opened there. */
export function sealedFor(sealed: string): Location | undefined {
  const { success, data } = Header.safeParse(rawHeader(sealed))
  if (!success) return undefined
  const { kid: _, ...location } = data
  return location
}

/**
 * Opens a sealed value at the place it is expected in. By Node's own AES-GCM and not by jose, which asks another thread for
 * each: this is on the way of every request through the proxy (docs/decisions/0053).
 * @throws UnsealError for a wrong key, place, format, or any changed byte
 */
export async function open({ id, key }: SealKey, location: Location, sealed: string): Promise<Secret> {
  try {
    const [head = '', wrapped, nonce = '', text = '', tag = '', ...more] = sealed.split('.')
    const header = rawHeader(sealed) ?? {}
    const expected: Record<string, unknown> = { alg: 'dir', enc: 'A256GCM', kid: id, typ: format, ...location }
    const names = Object.keys(header)
    const same = names.length === Object.keys(expected).length && names.every((name) => header[name] === expected[name])
    if (!same || wrapped !== '' || more.length > 0) throw new UnsealError()
    // RFC 7516 5.2 for `dir`: the header as it stands is what the tag vouches for, with 96 and 128 bits (RFC 7518 5.3).
    const cipher = createDecipheriv('aes-256-gcm', KeyObject.from(key), bytesOf(nonce, 12), { authTagLength: 16 })
    cipher.setAAD(Buffer.from(head, 'ascii'))
    cipher.setAuthTag(bytesOf(tag, 16))
    const opened = cipher.update(bytesOf(text))
    cipher.final()
    return new Secret(decoder.decode(opened))
  } catch {
    throw new UnsealError()
  }
}

/** base64url, spelled in the one way there is (RFC 4648 3.5): another spelling of the same bytes is another value. */
function bytesOf(text: string, length?: number): Buffer {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.toString('base64url') !== text || (length !== undefined && bytes.length !== length)) throw new UnsealError()
  return bytes
}
