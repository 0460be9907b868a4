/** Headers that claim who or where the client is; they are removed from every request (Z-07). */
const claims =
  /^(x[-_]forwarded[-_].*|forwarded|x[-_]real[-_]ip|x[-_](forwarded[-_])?user.*|remote[-_]user|x[-_]middleware[-_].*|x[-_]original[-_].*|x[-_]rewrite[-_].*|x[-_]http[-_]method.*|content-security-policy(-report-only)?)$/

/** By a name in small letters. */
export const isClaim = (name: string): boolean => {
  const [first = ''] = name
  return (first === 'x' || first === 'f' || first === 'r' || first === 'c') && claims.test(name)
}

/** The trace of a request: a trusted proxy may choose it, a stranger may not (W3C Trace Context 4.2); nobody its baggage. */
export const isDroppedTrace = (name: string, trustedProxies: number): boolean =>
  name === 'baggage' || (trustedProxies === 0 && (name === 'traceparent' || name === 'tracestate'))

/** A name in a Host header (RFC 9112 3.2). */
export const hostPattern = /^[\w.-]+(:\d{1,5})?$|^\[[\da-fA-F:.]+\](:\d{1,5})?$/
