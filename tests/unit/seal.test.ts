import { compactDecrypt } from 'jose'
import { describe, expect, it } from 'vitest'
import { type Location, open, seal, sealedWith, sealKey, UnsealError } from '../../lib/security/seal.ts'
import { deriveKey, Secret } from '../../lib/security/secrets.ts'

const place: Location = {
  tenant: 'ten_a',
  table: 'connection',
  row: 'con_1',
  column: 'refresh_token',
  user: 'usr_1',
  version: 3,
}
const keyBytes = (fill: number) => Uint8Array.from({ length: 32 }, (_, index) => (index * 7 + fill) % 256)
const key = await sealKey('k1', keyBytes(1))

describe('sealed values', () => {
  it('open where they belong', async () => {
    const sealed = await seal(key, place, new Secret('refresh-token-value'))
    expect((await open(key, place, sealed)).reveal()).toBe('refresh-token-value')
    expect(sealed).not.toContain('refresh-token-value')
    expect(sealedWith(sealed)).toBe('k1')
  })

  it('are compact JWEs, which any library opens', async () => {
    const { plaintext, protectedHeader } = await compactDecrypt(await seal(key, place, 'välue'), keyBytes(1))
    expect(new TextDecoder().decode(plaintext)).toBe('välue')
    expect(protectedHeader).toEqual({ alg: 'dir', enc: 'A256GCM', kid: 'k1', typ: 'vk1', ...place })
  })

  it('V-02: the same value sealed twice has another nonce and another ciphertext', async () => {
    const sealed = await Promise.all(Array.from({ length: 500 }, () => seal(key, place, 'same')))
    expect(new Set(sealed.map((jwe) => jwe.split('.')[2])).size).toBe(500)
    expect(sealed.every((jwe) => Buffer.from(jwe.split('.')[2] ?? '', 'base64url').length === 12)).toBe(true)
  })

  const elsewhere: Partial<Location>[] = [
    { tenant: 'ten_b' },
    { table: 'provider' },
    { row: 'con_2' },
    { column: 'access_token' },
    { user: 'usr_2' },
    { version: 2 },
    { version: 4 },
  ]
  it.each(elsewhere)('V-03: a value moved or rolled back does not open: %o', async (change) => {
    const sealed = await seal(key, place, 'value')
    await expect(open(key, { ...place, ...change }, sealed)).rejects.toThrow(UnsealError)
  })

  it('V-04: any changed character, a short tag and trailing bytes fail alike', async () => {
    const sealed = await seal(key, place, 'value')
    const messages = new Set<string>()
    const attempt = async (text: string) => {
      const error = await open(key, place, text).then(
        () => expect.fail(`opened: ${text}`),
        (reason: unknown) => reason as Error,
      )
      messages.add(`${error.name}: ${error.message}`)
    }
    for (let at = 0; at < sealed.length; at += 1) {
      const other = sealed[at] === 'A' ? 'Q' : 'A'
      const changed = sealed.slice(0, at) + other + sealed.slice(at + 1)
      // The last character of a part may hold unused bits; a change there decodes to the same bytes.
      if (Buffer.from(changed, 'base64url').equals(Buffer.from(sealed, 'base64url'))) continue
      if (
        changed
          .split('.')
          .every((part, index) =>
            Buffer.from(part, 'base64url').equals(Buffer.from(sealed.split('.')[index] ?? '', 'base64url')),
          )
      )
        continue
      await attempt(changed)
    }
    const parts = sealed.split('.')
    const tag = Buffer.from(parts[4] ?? '', 'base64url')
    for (let length = 0; length < 16; length += 1)
      await attempt([...parts.slice(0, 4), tag.subarray(0, length).toString('base64url')].join('.'))
    await attempt(`${sealed}AAAA`)
    await attempt(`${sealed}.AAAA`)
    await attempt('')
    await attempt('not a sealed value')
    expect([...messages]).toEqual(['UnsealError: A sealed value cannot be opened'])
  })

  it('V-04: a value under another key or with members of its own in the header does not open', async () => {
    const other = await sealKey('k1', keyBytes(2))
    await expect(open(other, place, await seal(key, place, 'value'))).rejects.toThrow(UnsealError)
    const { CompactEncrypt } = await import('jose')
    const header = { alg: 'dir', enc: 'A256GCM', kid: 'k1', typ: 'vk1', ...place, extra: true }
    const extended = await new CompactEncrypt(new TextEncoder().encode('value'))
      .setProtectedHeader(header)
      .encrypt(key.key)
    await expect(open(key, place, extended)).rejects.toThrow(UnsealError)
  })

  it('V-07: keys derived for different purposes share nothing', async () => {
    const root = keyBytes(9)
    const derived = (['signin', 'fingerprint', 'lookup'] as const).map((purpose) =>
      Buffer.from(deriveKey(root, purpose)).toString('hex'),
    )
    expect(new Set([...derived, Buffer.from(root).toString('hex')]).size).toBe(4)
    const a = await sealKey('k', deriveKey(root, 'signin'))
    const b = await sealKey('k', deriveKey(root, 'lookup'))
    await expect(open(b, place, await seal(a, place, 'value'))).rejects.toThrow(UnsealError)
  })
})
