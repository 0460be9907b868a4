import { cache } from 'react'
import { orNotFound } from '@/app/_features/guard.tsx'
import { projectDetail } from '@/lib/broker/read/project.ts'
import { requireMember } from '@/lib/http/page.ts'

/** A project for its page and its page's title, read once a request. Takes an id or an alias. */
export const loadProject = cache(async (tenant: string, project: string) => {
  const member = await requireMember(tenant)
  return { ...member, project: await orNotFound(projectDetail(member.ctx, member.actor, decodeURIComponent(project))) }
})
