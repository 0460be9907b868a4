import { z } from 'zod'
import { Secret } from '../../security/secrets.ts'
import type { HeldToken, PastedTokens } from '../kind.ts'
import {
  type Grant,
  isUpstreamError,
  type Provider,
  type ProviderDeps,
  type Refusal,
  UpstreamError,
} from '../provider.ts'
import type { KeboolaSettings } from './settings.ts'
import { type Credential, emptyOrMap, id, parseDate, type Storage } from './storage.ts'

// How a pasted token is told from what League gave, in the sealed columns alone: a Bearer has no blank (RFC 6750 2.1).
const mark = 'pasted '
const text = (...parts: string[]) => new Secret(mark + parts.join(' '))

/** The Storage token in a connection's access token; undefined: that came of a consent. */
export function pastedIn(accessToken: Secret): Secret | undefined {
  const value = accessToken.reveal()
  return value.startsWith(mark) ? new Secret(value.slice(mark.length)) : undefined
}

/** How the Storage API is told who calls. */
export function callerOf(accessToken: Secret, project: string | undefined): Credential {
  const storageToken = pastedIn(accessToken)
  return storageToken ? { storageToken } : { bearer: accessToken, project }
}

/** A stored grant, if it is a pasted token's: the token's id and value. */
export function pastedGrant(refreshToken: Secret): { id: string; value: Secret } | undefined {
  const [, id, value] = /^pasted (\S+) (\S+)$/.exec(refreshToken.reveal()) ?? []
  return id && value ? { id, value: new Secret(value) } : undefined
}

const flag = z.boolean().nullish()
/** A token object (upstreams.md 3.3.1), read leniently: whatever is missing is not shown, or counts as not there. */
const TokenObject = z.object({
  id,
  description: z.string().nullish(),
  expires: z.string().nullish(),
  isMasterToken: flag,
  isExpired: flag,
  isDisabled: flag,
  canManageBuckets: flag,
  canManageTokens: flag,
  canReadAllFileUploads: flag,
  bucketPermissions: emptyOrMap.nullish(),
  componentAccess: z.array(z.string()).nullish(),
  creatorToken: z.object({ description: z.string().nullish() }).nullish(),
  admin: z.object({ id, name: z.string().nullish(), role: z.string().nullish() }).nullish(),
})
type TokenObject = z.infer<typeof TokenObject>
const Verified = TokenObject.extend({ owner: z.object({ id, name: z.string(), region: z.string().nullish() }) })
const Rotated = TokenObject.extend({ token: z.string().regex(/^[!-~]+$/) })

/** What is noted of a token. A project may have thousands of buckets: enough is enough. */
const Held = z.object({
  tokenId: z.string(),
  description: z.string(),
  owner: z.string().nullable(),
  role: z.string().nullable(),
  isMaster: z.boolean(),
  manageBuckets: z.boolean(),
  manageTokens: z.boolean(),
  readAllFiles: z.boolean(),
  buckets: z.array(z.tuple([z.string(), z.string()])),
  components: z.array(z.string()),
  more: z.number(),
})
type Held = z.infer<typeof Held>
const shownMax = 50
const cut = (words: string | null | undefined) => (words ?? '').slice(0, 200)

function heldOf(token: TokenObject): Held {
  // Who manages buckets may do anything with each, and the stack names them all.
  const all = token.canManageBuckets ? [] : Object.entries<string>(token.bucketPermissions ?? {})
  const components = token.componentAccess ?? []
  const buckets = all.slice(0, shownMax)
  return {
    tokenId: token.id,
    description: cut(token.description),
    owner: cut(token.admin?.name || token.creatorToken?.description) || null,
    role: token.admin?.role ?? null,
    isMaster: isMaster(token),
    manageBuckets: token.canManageBuckets ?? false,
    manageTokens: token.canManageTokens ?? false,
    readAllFiles: token.canReadAllFileUploads ?? false,
    buckets: buckets.map(([name, right]): [string, string] => [cut(name), cut(right)]),
    components: components.slice(0, shownMax).map(cut),
    more: all.length - buckets.length + Math.max(0, components.length - shownMax),
  }
}

const isMaster = ({ isMasterToken, admin }: Pick<TokenObject, 'isMasterToken' | 'admin'>) =>
  isMasterToken ?? Boolean(admin)

const lacks =
  'It is not a master token. It cannot make limited tokens and cannot authorize components; tokens through Valetkey work. Link the project with your account for the rest.'

function view(stored: string): HeldToken {
  const read = Held.safeParse(parsed(stored))
  if (!read.success)
    return { tokenId: '', description: '', owner: null, isMaster: false, rights: [unreadable], lacks: null }
  const { tokenId, description, owner, role, buckets, components, more, ...held } = read.data
  const rights: HeldToken['rights'] = [
    ...components.map((name) => ({ text: `component ${name}`, risk: 'medium' as const })),
    ...buckets.map(([name, right]) => ({
      text: `${right} ${name}`,
      risk: right === 'read' ? ('low' as const) : ('medium' as const),
    })),
    ...(more > 0 ? [{ text: `${more} more`, risk: 'medium' as const }] : []),
    ...(held.manageBuckets ? [{ text: 'manage buckets', risk: 'high' as const }] : []),
    ...(held.readAllFiles ? [{ text: 'read all files', risk: 'high' as const }] : []),
    ...(held.manageTokens ? [{ text: 'manage tokens', risk: 'high' as const }] : []),
  ]
  const everything = {
    text: `everything that a person with the role ${role ?? 'unknown'} may do`,
    risk: 'high' as const,
  }
  return {
    tokenId,
    description,
    owner,
    isMaster: held.isMaster,
    rights: held.isMaster ? [everything] : rights,
    lacks: held.isMaster ? null : lacks,
  }
}

const parsed = (stored: string): unknown => {
  try {
    return JSON.parse(stored)
  } catch {
    return undefined
  }
}

const unreadable = { text: 'rights that this version cannot read', risk: 'high' as const }

/** Storage tokens that people made or were given at the stack. */
export const storageTokensPasted: PastedTokens<KeboolaSettings> = {
  title: 'Storage token',
  hint: 'In the project, under Settings, API Tokens. A master token is shown under your own account.',
  allowed: ({ allowPastedTokens }) => allowPastedTokens,
  view,
}

/** How long a token is taken to work after the stack has said so. */
const trustSeconds = 3_600

/** What the stack says of a pasted token, and its own renewal. Neither makes another token. */
export function pastedTokens({ ask }: Storage, { now }: Pick<ProviderDeps, 'now'>) {
  /** Life until its end, in seconds; undefined: it has none. */
  const leftOf = ({ expires }: Pick<TokenObject, 'expires'>) => {
    const end = parseDate(expires ?? '')
    return end && (end.getTime() - now().getTime()) / 1000
  }

  function grantOf(token: TokenObject, value: Secret, rotated?: boolean): Grant & Required<Pick<Grant, 'pasted'>> {
    const left = leftOf(token)
    return {
      accessToken: text(value.reveal()),
      refreshToken: text(token.id, value.reveal()),
      expiresInSeconds: Math.max(0, Math.min(trustSeconds, left ?? trustSeconds)),
      grantExpiresInSeconds: left,
      scopes: undefined,
      pasted: { value, held: JSON.stringify(heldOf(token)), rotated },
    }
  }

  const verify = (value: Secret, kind: 'read' | 'repeatableRefresh') =>
    ask(kind, Verified, { path: '/tokens/verify', as: { storageToken: value } })

  /** Why a token that the stack knows is of no use. */
  const useless = (token: TokenObject): Refusal | undefined => {
    if (token.isDisabled)
      return refusal(
        'disabled',
        'The stack has disabled this token.',
        'Paste another token, or ask an admin of the project.',
      )
    if (token.isExpired || (leftOf(token) ?? 1) <= 0)
      return refusal('expired', 'This token has expired.', 'Make a new token at the stack and paste that.')
    return undefined
  }

  const paste: Provider['paste'] = async ({ token: value }) => {
    const token = await verify(value, 'read').catch((error: unknown) => {
      // Which of these it is, the stack does not say.
      if (isUpstreamError(error) && (error.failure === 'refused' || error.failure === 'forbidden'))
        throw new UpstreamError('refused', 'the token is not accepted', {
          ...error,
          refusal: refusal(
            'unknown',
            'The stack does not accept this token: it was deleted or replaced, is of another stack, or was not copied whole.',
            'Compare the address of the stack, copy the token again, and paste the whole of it.',
          ),
        })
      throw error
    })
    const refused = useless(token)
    if (refused) throw new UpstreamError('refused', 'the token is of no use', { refusal: refused })
    const { owner, admin } = token
    return {
      ...grantOf(token, value),
      account: {
        id: admin?.id ?? `token ${token.id}`,
        name: admin?.name || cut(token.description) || `token ${token.id}`,
      },
      projects: [
        { externalId: owner.id, name: owner.name, region: owner.region ?? undefined, role: admin?.role ?? undefined },
      ],
    }
  }

  /** Asks about it. That spends nothing, so whatever keeps the answer away has not touched the token. */
  async function look(value: Secret, rotated?: false): Promise<Grant> {
    const token = await verify(value, 'repeatableRefresh').catch((error: unknown) => {
      if (!isUpstreamError(error)) throw error
      const failure = error.failure === 'ambiguous' || error.failure === 'protocol' ? 'unreached' : error.failure
      throw new UpstreamError(failure, error.message, { ...error, afterAmbiguous: false, cause: error })
    })
    if (useless(token)) throw new UpstreamError('refused', 'the token has ended')
    return grantOf(token, value, rotated)
  }

  /** Replaces its value: the old one is dead as soon as the stack has acted, so this is sent once and never repeated blindly. */
  async function rotate({ id, value }: { id: string; value: Secret }): Promise<Grant> {
    const path = `/tokens/${encodeURIComponent(id)}/refresh`
    const token = await ask('refresh', Rotated, { method: 'POST', path, as: { storageToken: value } }).catch(
      (error: unknown) => {
        if (isUpstreamError(error) && (error.failure === 'rejected' || error.failure === 'forbidden')) return undefined
        throw error
      },
    )
    // Turned down: it goes on as it is, if it works.
    if (!token) return look(value, false)
    const grant = grantOf(token, new Secret(token.token), true)
    // An answer that does not describe the token whole is asked about again at once.
    if (token.expires !== undefined && typeof token.isMasterToken === 'boolean') return grant
    return { ...grant, expiresInSeconds: 0, pasted: { ...grant.pasted, held: undefined } }
  }

  return { paste, look, rotate }
}

const refusal = (reason: string, means: string, next: string): Refusal => ({ reason, means, next })
