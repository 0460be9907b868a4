import { type BrokerError, errorCodes } from '../errors.ts'
import { securityHeaders } from './headers.ts'

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const escaped = (text: string) => text.replace(/[&<>"']/g, (sign) => entities[sign] ?? '')

type Document = { title: string; lines: string[]; link: { href: string; text: string } }

/** A bare page for answers that come before, or without, the application: no script, no style, nothing from outside. */
export function documentResponse(
  { title, lines, link }: Document,
  { status = 200, headers = [] }: { status?: number; headers?: [string, string][] } = {},
): Response {
  const paragraphs = lines.map((line) => `<p>${escaped(line)}</p>`).join('')
  const body = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>${escaped(title)} · Valetkey</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="light dark"></head>
<body><main><h1>${escaped(title)}</h1>${paragraphs}<p><a href="${escaped(link.href)}">${escaped(link.text)}</a></p></main></body></html>`
  const fixed: [string, string][] = [
    ...Object.entries(securityHeaders),
    ['content-type', 'text/html; charset=utf-8'],
    ['cache-control', 'no-store'],
    ['vary', 'Cookie'],
    ['content-security-policy', "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"],
  ]
  return new Response(body, { status, headers: [...fixed, ...headers] })
}

/** An error for a browser that is between pages. No cookie is touched (H-02). */
export function errorDocument(error: BrokerError, requestId: string, link: Document['link']): Response {
  const { status, title, next } = errorCodes[error.code]
  const retryAfter = error.retryAfterSeconds ?? (status === 503 ? 5 : undefined)
  const headers: [string, string][] = [['x-request-id', requestId]]
  if (retryAfter !== undefined) headers.push(['retry-after', String(Math.max(1, Math.ceil(retryAfter)))])
  const lines = [...(error.detail ? [error.detail] : []), next, `Request ${requestId}`]
  return documentResponse({ title, lines, link }, { status, headers })
}
