import { partOf } from './jwt.ts'

/** How far an issuer's clock was ahead of ours when it last made an ID token for this process: seconds, by host. */
export type IssuerClocks = Map<string, number>

/** More hosts than are remembered at the same time. */
const hostsMax = 1_000

/**
 * Notes an issuer's clock by an ID token that has just come from its token endpoint: each is dated when it is made, also one
 * of a refresh (OIDC Core 12.2). Some servers name their time nowhere else. Nothing is decided by it, so it is not verified.
 */
export function noteClock(
  { issuerClocks, now }: { issuerClocks: IssuerClocks; now: () => Date },
  host: string,
  idToken: string,
): void {
  const iat = issuedAtOf(idToken)
  if (iat === undefined) return
  issuerClocks.delete(host)
  issuerClocks.set(host, Math.round(iat - now().getTime() / 1000))
  const [oldest] = issuerClocks.size > hostsMax ? issuerClocks.keys() : []
  if (oldest !== undefined) issuerClocks.delete(oldest)
}

function issuedAtOf(idToken: string): number | undefined {
  const iat = partOf(idToken, 'payload')?.iat
  // What no clock says is no clock's.
  return typeof iat === 'number' && iat > 0 && iat < 1e11 ? iat : undefined
}
