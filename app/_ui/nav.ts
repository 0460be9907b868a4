export type Role = 'owner' | 'admin' | 'member' | 'auditor'

export type NavItem = { label: string; href: string; admin?: boolean }

/** The pages of the console that a role sees. Auditors read everything and change nothing. */
export function consoleNav(tenant: string, role: Role): NavItem[] {
  const at = (path: string) => `/t/${tenant}/${path}`
  const own: NavItem[] = [
    { label: 'Projects', href: at('projects') },
    { label: 'Tokens', href: at('tokens') },
    { label: 'Devices', href: at('devices') },
    { label: 'Activity', href: at('activity') },
  ]
  if (role === 'member') return own
  return [
    ...own,
    { label: 'Revocation', href: at('admin/revocation'), admin: true },
    { label: 'Leak desk', href: at('admin/leaks'), admin: true },
    { label: 'Members', href: at('admin/members'), admin: true },
    { label: 'Providers', href: at('admin/providers'), admin: true },
    { label: 'Issuers', href: at('admin/trusted-issuers'), admin: true },
    { label: 'Clients', href: at('admin/clients'), admin: true },
    // Their addresses may be secrets: for who administers alone.
    ...(role === 'auditor' ? [] : [{ label: 'Webhooks', href: at('admin/webhooks'), admin: true }]),
    { label: 'Settings', href: at('admin/settings'), admin: true },
  ]
}
