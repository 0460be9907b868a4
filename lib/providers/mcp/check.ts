import { line } from '../check.ts'
import { isSetupError } from '../kind.ts'
import type { CheckLine, ProviderDeps } from '../provider.ts'
import { discoverServer } from './discovery.ts'
import type { McpSettings } from './settings.ts'

/** Whether the server is there, and says the same of itself as when the row was made (F-08). */
export async function serverLine({ url, authorization }: McpSettings, deps: ProviderDeps): Promise<CheckLine> {
  const say = (state: CheckLine['state'], seen: string, next: string | null = null) =>
    line('mcp_server', 'MCP server', state, seen, next)
  const again = 'If that is meant, remove this provider and add the server again.'
  try {
    const chosen = authorization.by === 'oauth' ? authorization.oauth.server.issuer : undefined
    const found = await discoverServer(deps, new URL(url), chosen)
    if (found.by === 'nothing')
      return authorization.by === 'oauth'
        ? say('attention', 'It answers without credentials. It asked for them when it was added.', again)
        : say('ok', 'It answers without credentials.')
    if (authorization.by !== 'oauth')
      return authorization.by === 'header'
        ? say('ok', 'It answers, and asks for credentials.')
        : say('failed', 'It asks for credentials. It did not when it was added.', again)
    if (found.url !== url) return say('failed', 'It names another address as its own.', again)
    return say('ok', 'It asks for credentials and names the same authorization server.')
  } catch (error) {
    if (!isSetupError(error)) throw error
    // Of one that takes a header only its answer counts, not where credentials come from.
    const seen = Object.values(error.fields).join(' ')
    if (authorization.by === 'header' && seen.startsWith('The server asks'))
      return say('ok', 'It answers, and asks for credentials.')
    return say('failed', seen, 'Ask whoever runs the server.')
  }
}
