import { scopeWords } from '@/app/_features/scope-words.ts'
import type { GrantScope } from '@/lib/actor.ts'
import type { Withheld } from '@/lib/authserver/answers.ts'

/** What each scope lets a program do, to the person who would allow it. How far each reaches is the same everywhere. */
const texts: Record<GrantScope, string> = {
  'projects:read': 'See your projects, connections and tokens',
  'connections:manage': 'Renew and change your connections',
  'tokens:issue': 'Issue tokens from your connections, as far as you choose below',
  'tokens:revoke': 'Revoke your tokens and connections',
  'tenant:read': 'See what you see of the tenant and of others',
  'tenant:manage': 'Act on what is other people’s, where your role allows it',
  'audit:read': 'Read the activity that you may read',
  'mcp:use': 'Call this MCP server as you, as far as you choose below',
}

export const askedScope = (name: GrantScope) => ({ name, text: texts[name], risk: scopeWords[name].risk })

export const withheldWords: Record<Withheld['because'], string> = {
  device: 'never goes to a device',
  client: 'is no longer allowed for this program',
  role: 'is beyond your role in this tenant',
}
