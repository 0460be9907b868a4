import { randomBytes } from 'node:crypto'

/** On every response: pages, data, static files and errors alike (C-09). */
export const securityHeaders = {
  'strict-transport-security': 'max-age=63072000; includeSubDomains',
  'x-content-type-options': 'nosniff',
  // Not no-referrer: it would turn the Origin of a form without scripts into null.
  'referrer-policy': 'same-origin',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()',
} as const

/**
 * What a page of the console has instead, for it may open a pop-up that goes to an upstream (C-09): under `same-origin` the browser
 * would cut the pop-up off at once and call it closed (HTML, 7.1.3). The pages of the pop-up itself stay cut off.
 */
export const openerPolicyOf = (path: string | undefined) =>
  path?.startsWith('/t/') ? 'same-origin-allow-popups' : securityHeaders['cross-origin-opener-policy']

/** Of one response: 128 random bits. */
export const newNonce = () => randomBytes(16).toString('base64')

/**
 * The policy of a document (C-08). Styles may be inline because Radix, sonner and server-rendered style attributes need
 * it; scripts never. Development adds what hot reload needs.
 */
export function contentSecurityPolicy(nonce: string, { development = false } = {}): string {
  return [
    "default-src 'self'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'${development ? " 'unsafe-eval'" : ''}`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self'${development ? ' ws:' : ''}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    'report-uri /api/v1/csp-reports',
  ].join('; ')
}
