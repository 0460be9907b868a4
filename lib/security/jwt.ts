import { z } from 'zod'

/** RFC 7519 2: a number; up to the year 9999, so that it is a moment (J-07). */
export const numericDate = z.number().min(0).max(253_402_300_799)

/** A part of a JWT as it stands, not verified: it tells who could verify it, and nothing more. undefined: it is no object. */
export function partOf(jwt: string, part: 'header' | 'payload'): Record<string, unknown> | undefined {
  try {
    const bytes = Buffer.from(jwt.split('.')[part === 'header' ? 0 : 1] ?? '', 'base64url')
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
