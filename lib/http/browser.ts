import { randomToken } from '../security/secrets.ts'
import { cookieNames, cookieValue } from './cookies.ts'

const wellFormed = /^[A-Za-z0-9_-]{43}$/

/** This browser's own secret: link attempts are bound to it, so no other browser can finish them (LK-01). */
export function linkBrowser(headers: Headers): string | undefined {
  const value = cookieValue(headers, 'link')
  return value !== undefined && wellFormed.test(value) ? value : undefined
}

/** The same, made and set in the answer's headers where the browser has none yet. Lives as long as the browser does. */
export function ensureLinkBrowser(headers: Headers, answer: Headers): string {
  const present = linkBrowser(headers)
  if (present) return present
  const made = randomToken()
  answer.append('set-cookie', `${cookieNames.link}=${made}; Path=/; HttpOnly; Secure; SameSite=Lax`)
  return made
}
