import type { Role } from '@/app/_ui/nav.ts'

/** What a role may do, in a sentence. */
export const roleWords: Record<Role, string> = {
  owner: 'Can do everything, including making other owners.',
  admin: 'Configures providers, invites people, and revokes anyone’s tokens and connections.',
  member: 'Links projects and issues tokens; sees only their own.',
  auditor: 'Reads everything and changes nothing.',
}
