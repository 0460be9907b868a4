/** What is frozen, and how questions name it. */
export type FreezeTarget = {
  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant'
  id: string
  name: string
  facts?: { label: string; value: string }[]
}

/** A connection as questions about it name it. */
export type ConnectionRef = { id: string; name: string; owner: string; account: string }

/** A connection as it is frozen. */
export const freezeTargetOf = ({ id, name, owner, account }: ConnectionRef): FreezeTarget => ({
  kind: 'connection',
  id,
  name,
  facts: [
    { label: 'Owner', value: owner },
    { label: 'Account', value: account },
  ],
})

/** A device or app as questions about it name it. */
export type GrantRef = {
  id: string
  name: string
  kind: 'device' | 'app'
  tokens: number
  /** Itself, whatever else applies to it. */
  frozen: boolean
  /** Its owner's name, where somebody else may be looking. */
  owner?: string | undefined
}

/** The same as it is frozen. */
export const grantFreezeTarget = ({ id, name, owner }: GrantRef): FreezeTarget => ({
  kind: 'grant',
  id,
  name,
  ...(owner && { facts: [{ label: 'Owner', value: owner }] }),
})
