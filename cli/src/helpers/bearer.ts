import { Failure } from '../failure.ts'
import type { Way } from '../issue/offer.ts'

/** @throws Failure where its tokens are not sent as Bearer (RFC 6750) */
export function requireBearer({ token_type }: Way): void {
  if (token_type.toLowerCase() === 'bearer') return
  throw new Failure('refused', `Its tokens are not sent as Bearer: they are of type ${token_type}.`, {
    code: 'no_bearer',
    next: 'A token of strategy proxy is: --strategy proxy',
  })
}
