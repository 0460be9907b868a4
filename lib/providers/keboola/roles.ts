import type { KeboolaSettings } from './settings.ts'

/** What `verify` says of whoever makes the token. */
type Maker = {
  isMasterToken?: boolean | null | undefined
  canManageBuckets?: boolean | null | undefined
  canManageTokens?: boolean | null | undefined
  canReadAllFileUploads?: boolean | null | undefined
  admin?: { role?: string | null | undefined } | null | undefined
}

type Settings = Pick<KeboolaSettings, 'allowManageTokens' | 'allowWritingChildren' | 'programmatic'>

/** Why a Storage token can be given no right at all; null: some can. And why one right alone cannot be given, by its name. */
export type Reach = {
  refused: string | null
  unavailable: Partial<Record<WideRight, string>>
  /** Rights that `refused` says nothing of: those of a child. */
  unaffected: string[]
}
type WideRight = 'manage_buckets' | 'read_all_files' | 'manage_tokens' | 'write_project'

/**
 * What the token of somebody can be given, before it is asked for (upstreams.md 3.3.2): the stack drops what a guest asks for and
 * calls that a success, and refuses a readOnly member after the fact. What it says nothing of is not held against anybody.
 */
export function reachOf(maker: Maker, settings: Settings): Reach {
  return {
    refused: refusal(maker),
    unavailable: unavailable(maker, settings),
    unaffected: ['read_project', 'write_project'],
  }
}

function refusal({ isMasterToken, admin }: Maker): string | null {
  const role = admin?.role
  if (role === 'guest')
    return 'Your role upstream is guest. It may make tokens, but the upstream drops every right that you choose for them.'
  if (role === 'readOnly') return 'Your role upstream is readOnly. It may not make tokens.'
  if (!(isMasterToken ?? admin))
    return 'The upstream takes your connection for a token that is not a master token. It may not make tokens.'
  return null
}

function unavailable(
  { canManageBuckets, canReadAllFileUploads, canManageTokens, admin }: Maker,
  { allowManageTokens, allowWritingChildren, programmatic }: Settings,
): Reach['unavailable'] {
  const own = 'Your account may not do this upstream, so its tokens may not either.'
  const reasons: Reach['unavailable'] = {}
  if (canManageBuckets === false) reasons.manage_buckets = own
  if (canReadAllFileUploads === false) reasons.read_all_files = own
  if (canManageTokens === false) reasons.manage_tokens = own
  if (!allowManageTokens) reasons.manage_tokens = notAllowed
  if (programmatic && onlyReads(admin?.role)) reasons.write_project = `Your role upstream is ${admin?.role}.`
  if (programmatic && !allowWritingChildren) reasons.write_project = writingNotAllowed
  return reasons
}

/** Roles of which nothing that writes is made (trap 14). */
export const onlyReads = (role: string | null | undefined) => role === 'guest' || role === 'readOnly'

export const writingNotAllowed =
  'The settings of this provider do not allow children of a session that write. An admin can change that.'

/** K-20 */
export const notAllowed =
  'The settings of this provider do not allow tokens that manage tokens. An admin can change that.'
