import type { Config } from '../config.ts'

/** A tenant's slug and a project's alias look alike. */
const shape = /^\/mcp\/([a-z0-9][a-z0-9-]{0,62})\/([a-z0-9][a-z0-9-]{0,62})$/

/** Where a project's API is reached through us; paths of its own follow. */
export const proxyUrl = ({ origin }: Pick<Config, 'origin'>, { slug, project }: { slug: string; project: string }) =>
  `${origin}/api/v1/tenants/${slug}/projects/${project}/proxy`

/** Where the MCP server of a project is reached through us: the `resource` of what is for it (RFC 8707). */
export const gatewayUrl = ({ origin }: Pick<Config, 'origin'>, { slug, project }: { slug: string; project: string }) =>
  `${origin}/mcp/${slug}/${project}`

/**
 * Which gateway an address means, spelled as {@link gatewayUrl} does and in no other way; undefined: none. That the project is
 * there is for others to say. By its alias, never by its id: RFC 9728 3.3 wants one `resource` for one address.
 */
export function readGatewayUrl(
  { origin }: Pick<Config, 'origin'>,
  url: string,
): { slug: string; project: string } | undefined {
  const [, slug, project] = (url.startsWith(`${origin}/`) && shape.exec(url.slice(origin.length))) || []
  return slug && project ? { slug, project } : undefined
}
