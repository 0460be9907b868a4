import { type GrantScope, gatewayScope } from '@/lib/actor.ts'

/** What a program may do with each scope of our API, for the member whose token it brings. */
export const scopeWords: Record<GrantScope, { text: string; short: string; risk: 'low' | 'medium' | 'high' }> = {
  'projects:read': { text: 'See their projects, connections and tokens', short: 'see projects', risk: 'low' },
  'connections:manage': {
    text: 'Renew and change their connections',
    short: 'change connections',
    risk: 'medium',
  },
  'tokens:issue': {
    text: 'Issue tokens from their connections, which outlive the token that it brings',
    short: 'issue tokens',
    risk: 'high',
  },
  'tokens:revoke': { text: 'Revoke their tokens and connections', short: 'revoke', risk: 'medium' },
  'tenant:read': { text: 'See what the member sees of the tenant and of others', short: 'see the tenant', risk: 'low' },
  'tenant:manage': {
    text: 'Act on what is other people’s, where the member is an admin',
    short: 'act as an admin',
    risk: 'high',
  },
  'audit:read': { text: 'Read the activity that the member may read', short: 'read activity', risk: 'medium' },
  'mcp:use': { text: 'Call one MCP server through the gateway', short: 'use an MCP server', risk: 'medium' },
}

/** The same as what is ticked in a list: of a client of ours, and of one that counts at our API alone. */
export const clientScopeChoices = Object.entries(scopeWords).map(([name, { text, risk }]) => ({ name, text, risk }))
export const scopeChoices = clientScopeChoices.filter(({ name }) => name !== gatewayScope)

/** What they come to, in a few words. */
export const scopesInShort = (scopes: readonly GrantScope[]): string =>
  scopes.map((scope) => scopeWords[scope].short).join(', ')
