'use client'
import { Bell, ChevronsUpDown, DoorOpen, Keyboard, KeyRound, LogOut, Menu, UserRound } from 'lucide-react'
import { usePathname } from 'next/navigation'
import { type ReactNode, useState } from 'react'
import { type ActionResult, useAction } from './action.ts'
import { Brand } from './brand.tsx'
import { Button, ButtonLink, IconButton } from './button.tsx'
import { cn } from './cn.ts'
import { Dialog } from './dialog.tsx'
import { DropdownMenu } from './dropdown-menu.tsx'
import Link, { useLinkStatus } from './link.tsx'
import { consoleNav, type NavItem, type Role } from './nav.ts'
import { ProblemNotice } from './notice.tsx'
import { Shortcuts } from './shortcuts.tsx'

export type TenantRef = { slug: string; name: string }

export type AppShellProps = {
  tenant: TenantRef
  tenants: TenantRef[]
  memberRole: Role
  /** How the person is called here: the e-mail address that the identity provider gave. */
  account: string
  /** Notifications that the person has not read. */
  unread?: number
  demo?: boolean
  /** Ends the session and navigates away. */
  onSignOut: () => Promise<ActionResult>
  /** Opens the question before leaving the tenant. */
  onLeave?: () => void
  children: ReactNode
}

/** The frame of the console: brand, tenant, navigation by role, person, keyboard, content. */
export function AppShell({
  tenant,
  tenants,
  memberRole,
  account,
  unread = 0,
  demo = false,
  onSignOut,
  onLeave,
  children,
}: AppShellProps) {
  const [menuOpen, setMenuOpen] = useState(false)
  const [helpOpen, setHelpOpen] = useState(false)
  const { problem, start } = useAction(onSignOut)
  const items = consoleNav(tenant.slug, memberRole)
  const hrefOf = (label: string) => items.find((item) => item.label === label)
  const [projects, tokens, revocation] = ['Projects', 'Tokens', 'Revocation'].map(hrefOf)
  const goTo = {
    ...(projects && { p: projects }),
    ...(tokens && { t: tokens }),
    ...(revocation && { r: revocation }),
  }
  return (
    <>
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-lg focus:bg-surface focus:px-4 focus:py-2"
      >
        Skip to content
      </a>
      <header className="border-b bg-surface">
        {demo && (
          <p className="bg-accent-tint px-4 py-1 text-center text-[13px] text-accent-text">
            Demo: a pretend upstream on this machine. Nothing here is real, and nothing leaves it.
          </p>
        )}
        <div className="mx-auto flex h-14 max-w-[1120px] items-center gap-2 px-4 xl:max-w-none xl:px-6">
          <IconButton
            label="Menu"
            icon={<Menu aria-hidden />}
            className="xl:hidden"
            aria-expanded={menuOpen}
            onClick={() => setMenuOpen(true)}
          />
          <Link href={projects?.href ?? '/'} className="rounded-lg max-sm:hidden">
            <Brand />
          </Link>
          <DropdownMenu
            label="Switch tenant"
            align="start"
            heading="Your tenants"
            items={tenants.map(({ slug, name }) => ({
              label: name,
              href: `/t/${slug}/projects`,
              current: slug === tenant.slug,
            }))}
            trigger={
              <Button variant="ghost" size="sm" className="min-w-0 shrink" aria-label={`Tenant ${tenant.name}`}>
                <span className="max-w-32 truncate">{tenant.name}</span>
                <ChevronsUpDown aria-hidden className="text-muted" />
              </Button>
            }
          />
          <nav aria-label="Console" className="ml-2 max-xl:hidden">
            <NavList items={items} row />
          </nav>
          <span className="ml-auto" />
          <NotificationsLink href={`/t/${tenant.slug}/notifications`} unread={unread} />
          <DropdownMenu
            label="Account"
            heading={`${account} · ${memberRole}`}
            items={[
              { label: 'Everything of yours', icon: <KeyRound aria-hidden />, href: `/t/${tenant.slug}/account` },
              { label: 'Keyboard', icon: <Keyboard aria-hidden />, onSelect: () => setHelpOpen(true) },
              ...(onLeave
                ? [{ label: `Leave ${tenant.name}…`, icon: <DoorOpen aria-hidden />, onSelect: onLeave }]
                : []),
              { label: 'Sign out', icon: <LogOut aria-hidden />, onSelect: () => void start() },
            ]}
            trigger={
              <Button variant="ghost" size="sm" className="min-w-0 shrink px-2" aria-label={`Account ${account}`}>
                <UserRound aria-hidden className="text-muted" />
                <span className="max-w-40 truncate font-normal max-2xl:hidden">{account}</span>
              </Button>
            }
          />
        </div>
      </header>
      <main id="content" tabIndex={-1} className="mx-auto flex max-w-[1120px] flex-col gap-6 px-4 py-6 outline-none">
        <ProblemNotice problem={problem} />
        {children}
      </main>
      <Dialog open={menuOpen} onOpenChange={setMenuOpen} title="Menu">
        <nav aria-label="Console">
          <NavList items={items} onPick={() => setMenuOpen(false)} />
        </nav>
      </Dialog>
      <Shortcuts goTo={goTo} issueHref={projects?.href ?? '/'} helpOpen={helpOpen} onHelpChange={setHelpOpen} />
    </>
  )
}

/** The bell, with how many are unread. */
function NotificationsLink({ href, unread }: { href: string; unread: number }) {
  const current = usePathname() === href
  return (
    <ButtonLink
      variant="ghost"
      size="sm"
      href={href}
      aria-label={unread > 0 ? `Notifications, ${unread} unread` : 'Notifications'}
      aria-current={current ? 'page' : undefined}
      className="relative px-2 text-muted hover:text-ink aria-[current=page]:bg-raised aria-[current=page]:text-ink"
    >
      <Bell aria-hidden />
      {unread > 0 && (
        <span
          aria-hidden
          className="absolute -top-0.5 left-1/2 ml-0.5 inline-flex h-4 min-w-4 items-center justify-center rounded-full bg-accent px-1 text-[11px] text-on-accent tabular-nums leading-none"
        >
          {unread > 99 ? '99+' : unread}
        </span>
      )}
    </ButtonLink>
  )
}

type NavListProps = { items: NavItem[]; row?: boolean; onPick?: () => void }

function NavList({ items, row = false, onPick }: NavListProps) {
  const path = usePathname()
  return (
    <ul className={cn('flex', row ? 'items-center gap-0.5' : 'flex-col gap-1')}>
      {items.map(({ label, href, admin }, index) => {
        const current = path === href || path.startsWith(`${href}/`)
        const first = admin && !items[index - 1]?.admin
        return (
          <li key={href} className={cn(first && (row ? 'ml-1 border-l pl-2' : 'mt-1 border-t pt-2'))}>
            <Link
              href={href}
              onClick={onPick}
              aria-current={current ? 'page' : undefined}
              className={cn(
                'flex items-center rounded-lg px-3 text-muted hover:bg-raised hover:text-ink aria-[current=page]:bg-raised aria-[current=page]:font-semibold aria-[current=page]:text-ink',
                row ? 'h-8 px-2' : 'h-10',
              )}
            >
              <NavLabel text={label} />
            </Link>
          </li>
        )
      })}
    </ul>
  )
}

/** Pages come whole from the server, so the link itself says that one is on its way. It keeps the width of its bold form. */
function NavLabel({ text }: { text: string }) {
  const { pending } = useLinkStatus()
  return (
    <span className={cn('inline-flex flex-col', pending && 'animate-pulse')}>
      {text}
      <span aria-hidden className="invisible h-0 overflow-hidden font-semibold">
        {text}
      </span>
    </span>
  )
}
