import type { Context } from '../../context.ts'

/** What a person is asked for, because a program's call needs it. */
export type Asking = {
  tenantId: string
  slug: string
  userId: string
  providerId: string
  projectId: string
  connectionId: string | null
  cause: 'link' | 'reconnect' | 'step_up'
  /** Of a step-up: all that the connection is to have. */
  scopes?: string[]
}

/** Where a person gives what a call needs: the project's own page. */
export const askForLink = async (
  { config }: Pick<Context, 'config'>,
  { slug, projectId }: Asking,
): Promise<{ id: string; url: string }> => ({ id: projectId, url: `${config.origin}/t/${slug}/projects/${projectId}` })
