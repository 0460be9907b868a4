/** What an address asks for: the MCP server of a project. */
export type Target = { slug: string; project: string }

const address = /^\/mcp\/([a-z0-9-]{1,63})\/([a-z0-9_-]{1,63})(?:\?.*)?$/s

/** What a raw request target asks of the gateway; undefined: it is no address of it. A query is its to refuse. */
export function targetOf(url: string): Target | undefined {
  const [, slug, project] = address.exec(url) ?? []
  return slug && project ? { slug, project } : undefined
}
