import { CompactEncrypt, compactDecrypt } from 'jose'
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
const encoder = new TextEncoder()
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

/** Seals text as a compact JWE (`dir`, A256GCM, fresh 96-bit nonce) whose protected header names its place. */
export async function seal({ id, key }: SealKey, location: Location, value: Secret | string): Promise<string> {
  const text = typeof value === 'string' ? value : value.reveal()
  return new CompactEncrypt(encoder.encode(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: id, typ: format, ...location })
    .encrypt(key)
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

function headerOf(sealed: string): z.infer<typeof Header> | undefined {
  try {
    return Header.parse(JSON.parse(Buffer.from(sealed.split('.', 1)[0] ?? '', 'base64url').toString('utf8')))
  } catch {
    return undefined
  }
}

/** The key id that a sealed value names, or undefined if it is not a sealed value. */
export const sealedWith = (sealed: string): string | undefined => headerOf(sealed)?.kid

/** Whether a value was sealed by a newer version of this program: not broken, but nothing that we can read (H-06). */
export function isNewerFormat(sealed: string): boolean {
  try {
    const header: unknown = JSON.parse(Buffer.from(sealed.split('.', 1)[0] ?? '', 'base64url').toString('utf8'))
    const typ = typeof header === 'object' && header !== null && 'typ' in header ? String(header.typ) : ''
    return /^vk\d+$/.test(typ) && Number(typ.slice(2)) > Number(format.slice(2))
  } catch {
    return false
  }
}

/** The place that a sealed value claims. It is true only once the value has opened there. */
export function sealedFor(sealed: string): Location | undefined {
  const header = headerOf(sealed)
  if (!header) return undefined
  const { kid: _, ...location } = header
  return location
}

/**
 * Opens a sealed value at the place it is expected in.
 * @throws UnsealError for a wrong key, place, format, or any changed byte
 */
export async function open({ id, key }: SealKey, location: Location, sealed: string): Promise<Secret> {
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, key, {
      keyManagementAlgorithms: ['dir'],
      contentEncryptionAlgorithms: ['A256GCM'],
      maxDecompressedLength: 0,
    })
    const expected: Record<string, unknown> = { alg: 'dir', enc: 'A256GCM', kid: id, typ: format, ...location }
    const names = Object.keys(protectedHeader)
    const same =
      names.length === Object.keys(expected).length && names.every((name) => protectedHeader[name] === expected[name])
    if (!same) throw new UnsealError()
    return new Secret(decoder.decode(plaintext))
  } catch {
    throw new UnsealError()
  }
}
