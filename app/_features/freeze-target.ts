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
