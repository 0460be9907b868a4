import type { Actor, Role } from '../actor.ts'
import type { Context } from '../context.ts'
import { readTenant } from '../store/database.ts'
import { listMembers } from '../store/members.ts'

export type MemberView = {
  userId: string
  name: string
  email: string | null
  role: Role
  status: 'active' | 'suspended'
  joinedAt: Date
}

/** Everybody in the tenant. */
export async function memberList(ctx: Context, actor: Actor): Promise<MemberView[]> {
  const rows = await readTenant(ctx, actor.tenantId, (tx) => listMembers(tx, actor.tenantId))
  return rows
    .filter((row) => row.status !== 'removed')
    .map((row) => ({
      userId: row.userId,
      name: row.user.name,
      email: row.user.email,
      role: row.role as Role,
      status: row.status as MemberView['status'],
      joinedAt: row.createdAt,
    }))
}
