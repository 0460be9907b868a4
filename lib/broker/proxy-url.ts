import type { Config } from '../config.ts'

/** Where a project's API is reached through us; paths of its own follow. */
export const proxyUrl = ({ origin }: Pick<Config, 'origin'>, { slug, project }: { slug: string; project: string }) =>
  `${origin}/api/v1/tenants/${slug}/projects/${project}/proxy`

/** Where the MCP server of a project is reached through us: the `resource` of what is for it (RFC 8707). */
export const gatewayUrl = ({ origin }: Pick<Config, 'origin'>, { slug, project }: { slug: string; project: string }) =>
  `${origin}/mcp/${slug}/${project}`
