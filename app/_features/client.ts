'use client'
import type { Problem } from '@/app/_ui/action.ts'
import { createValetkeyClient, type Problem as WireProblem } from '@/lib/client/index.ts'

/** The JSON API as this browser reaches it: the session cookie speaks. */
export const client = createValetkeyClient()

export type Sent<T> =
  | { ok: true; data: T }
  /** `fields`: what is wrong with which, by their names on the wire. */
  | { ok: false; problem: Problem; code: string; fields: Record<string, string> }

/** What a call came to, in the words of a page. */
export async function send<T>(call: Promise<{ data?: T; error?: WireProblem }>): Promise<Sent<T>> {
  const { data, error } = await call
  if (error) return { ok: false, problem: toProblem(error), code: error.code, fields: error.fields ?? {} }
  return { ok: true, data: data as T }
}

/** Codes that a new sign-in cures. */
const signedOut = new Set(['unauthenticated', 'session_refused'])

function toProblem({ code, title, detail, fields, next, request_id }: WireProblem): Problem {
  const faults = Object.entries(fields ?? {}).map(([field, fault]) => `${field.replaceAll('_', ' ')}: ${fault}`)
  const meaning = [detail, ...faults].filter(Boolean).join(' · ')
  return {
    title,
    next,
    ...(meaning && { meaning }),
    // Nobody has to be asked about what is meant to happen.
    ...(code === 'fresh_signin_required' ? { confirm: true } : request_id && { requestId: request_id }),
    ...(signedOut.has(code) && { signIn: true }),
  }
}

/** Leaves for an address that the server named: an upstream's consent page. The whole page goes, nothing pops up. */
export const leaveFor = (url: string): void => window.location.assign(url)

/** Hands a person what an operation answered, as a file. */
export function keepAs(name: string, content: Blob): void {
  const url = URL.createObjectURL(content)
  const link = Object.assign(document.createElement('a'), { href: url, download: name })
  link.click()
  URL.revokeObjectURL(url)
}
