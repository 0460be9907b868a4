import type { Config } from '../config.ts'

/** Where a project's API is reached through us; paths of its own follow. */
export const proxyUrl = ({ origin }: Pick<Config, 'origin'>, { slug, project }: { slug: string; project: string }) =>
  `${origin}/api/v1/tenants/${slug}/projects/${project}/proxy`
