import type { LinkedGrant } from '../../providers/provider.ts'
import { Secret } from '../../security/secrets.ts'

/** A grant that is kept with its attempt, to be sealed. */
export const grantToJson = ({ accessToken, refreshToken, ...rest }: LinkedGrant) =>
  JSON.stringify({ ...rest, accessToken: accessToken.reveal(), refreshToken: refreshToken?.reveal() })

export function grantFromJson(sealed: Secret): LinkedGrant {
  const { accessToken, refreshToken, ...rest } = JSON.parse(sealed.reveal()) as Omit<
    LinkedGrant,
    'accessToken' | 'refreshToken'
  > & { accessToken: string; refreshToken?: string }
  return {
    ...rest,
    accessToken: new Secret(accessToken),
    refreshToken: refreshToken ? new Secret(refreshToken) : undefined,
  }
}
