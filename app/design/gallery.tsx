'use client'
import { Plus, RefreshCw, Snowflake, Trash2 } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { type Scope, ScopeList } from '../_features/scope-list.tsx'
import { EndNotes } from '../_features/token-end.tsx'
import type { ActionResult } from '../_ui/action.ts'
import { AppShell } from '../_ui/app-shell.tsx'
import { Button, ButtonLink, IconButton } from '../_ui/button.tsx'
import { Card, CardGrid } from '../_ui/card.tsx'
import { Checkbox, CheckboxGroup } from '../_ui/checkbox.tsx'
import { ConfirmDialog } from '../_ui/confirm-dialog.tsx'
import { CopyButton } from '../_ui/copy-button.tsx'
import { DataTable } from '../_ui/data-table.tsx'
import { Dialog } from '../_ui/dialog.tsx'
import { DropdownMenu } from '../_ui/dropdown-menu.tsx'
import { EmptyState } from '../_ui/empty-state.tsx'
import { Input, RadioCards, Select, Textarea } from '../_ui/field.tsx'
import { FilterBar } from '../_ui/filter-bar.tsx'
import { Fold } from '../_ui/fold.tsx'
import { KeyValue } from '../_ui/key-value.tsx'
import { LifetimePicker } from '../_ui/lifetime-picker.tsx'
import { Notice } from '../_ui/notice.tsx'
import { PageHeader } from '../_ui/page-header.tsx'
import { Pager } from '../_ui/pager.tsx'
import { Rows } from '../_ui/rows.tsx'
import { SecretOnceDialog, useSecretOnce } from '../_ui/secret-once-dialog.tsx'
import { SkeletonCards, SkeletonTable } from '../_ui/skeleton.tsx'
import { StateBadge } from '../_ui/state-badge.tsx'
import { CodeTabs, Tabs } from '../_ui/tabs.tsx'
import { Countdown, Time } from '../_ui/time.tsx'
import { Timeline } from '../_ui/timeline.tsx'
import { say } from '../_ui/toaster.tsx'
import { Hint } from '../_ui/tooltip.tsx'
import { Gallery as Tiles } from '../t/[tenant]/admin/providers/new/gallery.tsx'
import { HealthGallery } from './health-gallery.tsx'
import { McpGallery } from './mcp-gallery.tsx'
import { ProxyGallery } from './proxy-gallery.tsx'

const done = async (): Promise<ActionResult> => ({ ok: true })
const refused = async (): Promise<ActionResult> => ({
  ok: false,
  problem: {
    title: 'The database did not answer',
    meaning: 'Nothing was revoked.',
    next: 'Try again in a minute.',
    requestId: '0199b1f2-6f0e-7c31-a4d2-3e5b8c9d0a11',
  },
})
const folders = ['in.c-sales', 'in.c-marketing', 'out.c-reports', 'out.c-a-very-long-name-that-goes-on-and-on']

const described = [
  { name: 'issues:read', text: 'read issues of your projects', risk: 'low' },
  { name: 'issues:write', text: 'create and change issues', risk: 'medium' },
  { name: 'admin', text: 'change everything that you can', risk: 'high' },
  { name: 'undescribed', text: null, risk: 'medium' },
] as const satisfies Scope[]
const tiles = ['GitLab', 'A server with a long name that needs a second line'].map((title) => ({
  id: title,
  title,
  monogram: title.slice(0, 2),
  text: 'Limited tokens through Valetkey',
  note: 'Revocable · documentation only',
  keywords: ['git'],
}))

export function Gallery({ now }: { now: string }) {
  const at = (minutes: number) => new Date(Date.parse(now) + minutes * 60_000).toISOString()
  const [scopes, setScopes] = useState<string[]>(['in.c-sales'])
  const [many, setMany] = useState<string[]>([])
  const [rows, setRows] = useState(['https://api.example.com'])
  const [lifetime, setLifetime] = useState(3_600)
  const [open, setOpen] = useState<'plain' | 'simple' | 'counts' | 'phrase' | 'fails' | null>(null)
  const secret = useSecretOnce()
  const dialogFor = (kind: typeof open) => ({
    open: open === kind,
    onOpenChange: (next: boolean) => setOpen(next ? kind : null),
  })
  const showSecret = () =>
    secret.show({
      value: `example-${'0123456789abcdef'.repeat(3)}`,
      title: 'Token for Sales warehouse',
      fingerprint: 'a91f03c2',
      endsAt: new Date(Date.now() + 3_600_000).toISOString(),
      samples: [
        {
          id: 'curl',
          label: 'curl',
          code: (value) => `curl -H "X-StorageApi-Token: ${value}" http://localhost:4000/v2/things`,
        },
        { id: 'env', label: 'env', code: (value) => `export STORAGE_TOKEN=${value}` },
      ],
    })

  return (
    <AppShell
      tenant={{ slug: 'acme', name: 'acme' }}
      tenants={[
        { slug: 'acme', name: 'acme' },
        { slug: 'globex', name: 'globex' },
      ]}
      memberRole="owner"
      account="owner@acme.test"
      demo
      onSignOut={done}
    >
      <PageHeader
        trail={[{ label: 'Projects', href: '/design' }]}
        title="Design"
        badge={<StateBadge kind="connection" state="linked" />}
        lead="Every component in every state. The scheme follows the system."
        actions={
          <Button variant="primary" data-shortcut="issue-token" onClick={showSecret}>
            <Plus aria-hidden />
            Issue token
          </Button>
        }
      />
      <Part title="Buttons">
        <Line>
          <Button variant="primary">Issue token</Button>
          <Button>Link project</Button>
          <Button variant="ghost">Cancel</Button>
          <Button variant="danger">Revoke 12 tokens</Button>
          <ButtonLink href="/design">A link</ButtonLink>
        </Line>
        <Line>
          <Button variant="primary" size="sm">
            Small
          </Button>
          <Button size="sm" disabled>
            Disabled
          </Button>
          <Button variant="primary" size="sm" busy>
            Busy
          </Button>
          <IconButton label="Refresh" icon={<RefreshCw aria-hidden />} />
          <CopyButton text="vk" />
          <CopyButton text="vk" label="Copy alias" compact />
          <Hint about="scopes">What the token may do. Nothing is chosen for you.</Hint>
          <DropdownMenu
            label="Actions for vk…a91f"
            items={[
              { label: 'Revoke', icon: <Trash2 aria-hidden />, danger: true, onSelect: () => setOpen('simple') },
              { label: 'Issue again', icon: <RefreshCw aria-hidden />, onSelect: showSecret },
              { label: 'Freeze', icon: <Snowflake aria-hidden />, disabled: true },
            ]}
          />
          <Button size="sm" onClick={() => say('Token revoked')}>
            Toast
          </Button>
        </Line>
      </Part>
      <Part title="States">
        <Line>
          {(['linked', 'degraded', 'uncertain', 'needs_relink', 'frozen', 'revoked'] as const).map((state) => (
            <StateBadge key={state} kind="connection" state={state} />
          ))}
        </Line>
        <Line>
          {(['issuing', 'live', 'ended', 'revoked', 'failed'] as const).map((state) => (
            <StateBadge key={state} kind="token" state={state} />
          ))}
        </Line>
        <Line>
          {(['pending', 'done', 'confirmed', 'failed', 'impossible'] as const).map((state) => (
            <StateBadge key={state} kind="upstream" state={state} />
          ))}
        </Line>
        <Line>
          {(['active', 'invited', 'suspended'] as const).map((state) => (
            <StateBadge key={state} kind="member" state={state} />
          ))}
        </Line>
      </Part>
      <Part title="Cards">
        <CardGrid>
          <Card
            title="Sales warehouse"
            aside={<StateBadge kind="connection" state="linked" />}
            footer={<Button size="sm">Issue token</Button>}
          >
            <KeyValue
              items={[
                { label: 'Provider', value: 'keboola · eu-central' },
                { label: 'Project', value: '4711', mono: true },
                { label: 'Scopes', value: '4 of 5 granted' },
                { label: 'Renewed', value: <Time at={at(-3)} now={now} /> },
              ]}
            />
          </Card>
          <Card
            title="A project with a name that is much longer than any card is wide"
            aside={<StateBadge kind="connection" state="needs_relink" />}
            footer={<Button size="sm">Reconnect</Button>}
          >
            <p>
              Refused by the upstream <Time at={at(-125)} now={now} />. One token works for{' '}
              <Countdown until={at(38)} now={now} />.
            </p>
          </Card>
        </CardGrid>
      </Part>
      <Part title="Health of a connection">
        <HealthGallery now={now} />
      </Part>
      <Part title="Table">
        <FilterBar
          action="/design"
          search={{ name: 'q', label: 'Purpose or fingerprint', value: '' }}
          fields={[
            {
              name: 'state',
              label: 'State',
              value: '',
              options: [
                { value: '', label: 'Any state' },
                { value: 'live', label: 'Live' },
              ],
            },
            { name: 'owner', label: 'Owner', value: '', options: [{ value: '', label: 'Any owner' }] },
          ]}
          summary="1,204 match"
        />
        <DataTable
          caption="Issued tokens"
          columns={[
            { key: 'fingerprint', header: 'Fingerprint', mono: true, width: 'w-32' },
            { key: 'owner', header: 'Owner' },
            { key: 'purpose', header: 'Purpose' },
            { key: 'made', header: 'Created', width: 'w-24', fold: true },
            { key: 'ends', header: 'Expires', width: 'w-28' },
            { key: 'state', header: 'State', width: 'w-28' },
            { key: 'actions', header: 'Actions', quiet: true, align: 'end', width: 'w-14' },
          ]}
          rows={['a91f', 'b37c', '0d5e', '77aa'].map((id, index) => ({
            id,
            label: `vk…${id}`,
            fixed: index === 3,
            cells: {
              fingerprint: `vk…${id}`,
              owner: index % 2 ? 'member@acme.test' : 'owner@acme.test',
              purpose: index === 1 ? <span title={longText}>{longText}</span> : 'nightly export',
              made: <Time at={at(-180 * (index + 1))} now={now} hint="hover" />,
              ends:
                index === 3 ? (
                  <Time at={at(-9)} now={now} hint="hover" />
                ) : (
                  <Countdown until={at(38 + index * 50)} now={now} />
                ),
              state: <StateBadge kind="token" state={index === 3 ? 'ended' : 'live'} />,
              actions: (
                <DropdownMenu
                  label={`Actions for vk…${id}`}
                  items={[
                    { label: 'Issue again', onSelect: showSecret },
                    { label: 'Revoke', danger: true, onSelect: () => setOpen('simple') },
                  ]}
                />
              ),
            },
          }))}
          selection={{
            matchCount: 1_204,
            actions: (chosen) => (
              <Button size="sm" variant="danger" onClick={() => setOpen(chosen.kind === 'all' ? 'phrase' : 'counts')}>
                Revoke…
              </Button>
            ),
          }}
        />
        <Pager summary="Rows 1 to 4" newerHref="/design?after=1" olderHref="/design?after=2" />
      </Part>
      <Part title="Form">
        <div className="grid gap-6 md:grid-cols-2">
          <div className="flex flex-col gap-4">
            <Input label="Purpose" hint="Shown in the list of tokens." placeholder="nightly export" />
            <Input label="Alias" defaultValue="Sales Warehouse" error="Use lowercase letters, digits and hyphens." />
            <Textarea label="Reason" optional />
            <Select
              label="Provider"
              options={[
                { value: 'a', label: 'keboola · eu-central' },
                { value: 'b', label: 'keboola · us-east' },
              ]}
            />
            <Checkbox label="Also block sign-in here" hint="Their sessions in this tenant end." defaultChecked />
          </div>
          <div className="flex flex-col gap-4">
            <CheckboxGroup
              label="Folders, read"
              options={folders.map((value) => ({ value, label: value }))}
              value={scopes}
              onChange={setScopes}
            />
            <CheckboxGroup
              label="Parts"
              options={Array.from({ length: 12 }, (_, index) => ({
                value: `c${index}`,
                label: `part-${index}`,
                disabled: index === 0,
              }))}
              value={many}
              onChange={setMany}
            />
            <LifetimePicker valueSeconds={lifetime} onChange={setLifetime} maxSeconds={7_200} cappedBy="the project" />
            <RadioCards
              legend="Access"
              name="access"
              defaultValue="read"
              options={[
                { value: 'read', label: 'Read', hint: 'Only the folders that you tick.' },
                { value: 'write', label: 'Write', hint: 'May change data.' },
                { value: 'all', label: 'Everything', hint: 'Not allowed by your tenant.', disabled: true },
              ]}
            />
          </div>
        </div>
      </Part>
      <Part title="Rules of a token through Valetkey, and its use">
        <ProxyGallery />
      </Part>
      <Part title="What an MCP server offers, and the rights of its tokens">
        <McpGallery />
      </Part>
      <Part title="Scopes, rows and folds">
        <ScopeList
          label="Scopes"
          hint="Nothing is chosen beforehand."
          scopes={described}
          value={many}
          onChange={setMany}
        />
        <ScopeList label="No scopes" scopes={[]} value={[]} onChange={() => {}} />
        <EndNotes expiresAt={at(60)} revokeAt={at(15)} exclusive outlives={false} endsTokens />
        <EndNotes expiresAt={at(60)} revokeAt={null} exclusive={false} outlives endsTokens={false} />
        <EndNotes
          expiresAt={at(60)}
          revokeAt={null}
          exclusive={false}
          outlives={false}
          endsTokens={false}
          endsWithGrant
        />
        <Fold title="Advanced" hint="What few need.">
          <Rows
            legend="API addresses"
            hint="Each one is a project."
            noun="API"
            rows={rows}
            blank=""
            error={rows.length === 0 ? 'Name at least one.' : undefined}
            onChange={setRows}
          >
            {(row, change) => <Input label="Address" value={row} onChange={(event) => change(event.target.value)} />}
          </Rows>
        </Fold>
        <Tiles groups={[{ label: 'Well-known servers', tiles }]} onChoose={(id) => say(`Chosen: ${id}`)} />
      </Part>
      <Part title="Dialogs">
        <Line>
          <Button onClick={() => setOpen('plain')}>Dialog</Button>
          <Button onClick={() => setOpen('simple')}>Simple question</Button>
          <Button onClick={() => setOpen('counts')}>With counts</Button>
          <Button onClick={() => setOpen('phrase')}>With a phrase</Button>
          <Button onClick={() => setOpen('fails')}>That fails</Button>
          <Button onClick={showSecret}>Secret, once</Button>
        </Line>
      </Part>
      <Part title="Notices">
        <Notice title="One connection is being checked" meaning="Its last renewal was interrupted." />
        <Notice tone="attention" title="A token expires in 10 minutes" next="Issue it again when you still need it." />
        <Notice tone="error" {...problemOf} action={<Button size="sm">Try again</Button>} />
      </Part>
      <Part title="Empty and loading">
        <div className="grid gap-4 md:grid-cols-2">
          <EmptyState
            kind="no-data"
            title="No projects yet"
            why="Tokens are issued for projects. Link one: its refresh token stays here, encrypted."
            action={<Button variant="primary">Link project</Button>}
          />
          <EmptyState
            kind="no-match"
            title="Nothing matches"
            why="No token matches these filters."
            action={<Button>Clear filters</Button>}
          />
          <EmptyState
            kind="no-right"
            title="Your role does not allow this page"
            why="Only owners, admins and auditors see this."
          />
          <EmptyState
            kind="failed"
            title="The list did not load"
            why="The database did not answer."
            action={<Button>Try again</Button>}
          />
        </div>
        <SkeletonTable rows={2} />
        <SkeletonCards />
      </Part>
      <Part title="Tabs and timeline">
        <Tabs
          label="Connection"
          tabs={[
            {
              id: 'timeline',
              label: 'Timeline',
              content: (
                <Timeline
                  now={now}
                  items={[
                    { id: '1', at: at(-2), title: 'Renewed', tone: 'healthy' },
                    {
                      id: '2',
                      at: at(-9),
                      title: 'Upstream answered 503',
                      detail: 'Served the old token.',
                      tone: 'attention',
                    },
                    { id: '3', at: at(-300), title: 'Linked', detail: 'by owner@acme.test' },
                  ]}
                />
              ),
            },
            { id: 'exact', label: 'Times', content: <Time at={at(-2)} form="exact" /> },
          ]}
        />
        <CodeTabs
          label="Use it from"
          samples={[
            {
              id: 'curl',
              label: 'curl',
              code: `curl -H "X-StorageApi-Token: $STORAGE_TOKEN" ${'http://localhost:4000/v2/things'}`,
            },
            { id: 'env', label: 'env', code: 'export STORAGE_TOKEN=…' },
          ]}
        />
      </Part>

      <Dialog
        {...dialogFor('plain')}
        title="Link project"
        lead="Choose where it lives."
        footer={<Button>Cancel</Button>}
      >
        <Input label="Alias" />
      </Dialog>
      <ConfirmDialog
        {...dialogFor('simple')}
        title="Revoke vk…a91f"
        lead="Valetkey rejects it at once and deletes it upstream."
        confirmLabel="Revoke token"
        onConfirm={done}
      />
      <ConfirmDialog
        {...dialogFor('counts')}
        title="Revoke the selected tokens"
        lead="They stop working for whoever holds them."
        counts={[
          { label: 'Tokens', value: '3' },
          { label: 'Owners', value: '2' },
          { label: 'Used in the last hour', value: '1' },
        ]}
        reason="optional"
        confirmLabel="Revoke 3 tokens"
        onConfirm={done}
      />
      <ConfirmDialog
        {...dialogFor('phrase')}
        title="Revoke 1,204 tokens of acme"
        lead="Everything that matches the filter, on all pages."
        counts={[{ label: 'Tokens', value: '1,204' }]}
        phrase="acme"
        reason="required"
        confirmLabel="Revoke 1,204 tokens"
        onConfirm={done}
      />
      <ConfirmDialog
        {...dialogFor('fails')}
        title="Revoke vk…a91f"
        lead="This one fails, to show how."
        confirmLabel="Revoke token"
        onConfirm={refused}
      />
      <SecretOnceDialog {...secret.dialog} onIssueAgain={showSecret} />
    </AppShell>
  )
}

const longText = 'a purpose that somebody wrote at length, with every detail that came to mind'
const problemOf = {
  title: 'Nothing was issued',
  meaning: 'The upstream refused the requested scopes.',
  next: 'Choose fewer scopes, or ask an owner of the project.',
  requestId: '0199b1f2-6f0e-7c31-a4d2-3e5b8c9d0a11',
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="flex flex-col gap-3">
      <h2 className="font-semibold text-[18px] leading-6">{title}</h2>
      {children}
    </section>
  )
}

const Line = ({ children }: { children: ReactNode }) => (
  <div className="flex flex-wrap items-center gap-2">{children}</div>
)
