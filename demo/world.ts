import type { Role } from './modes.ts'
import type { Ticket } from './store.ts'

/** The people and projects that exist upstream. All of it is made up and fixed, so tests can name it. */
export type Account = {
  id: string
  sub: string
  email: string
  name: string
  /** Whose tickets they see. */
  organization: string
  memberships: Record<string, Role>
}
export type Table = { name: string; columns: string[]; rows: string[][] }
export type Bucket = { id: string; name: string; stage: 'in' | 'out'; description: string; tables: Table[] }
/** `flags`: what its page in the stack's own console offers; with {@link AUTHORIZES} it is authorized by somebody's OAuth account. */
export type Component = { id: string; name: string; type: string; flags: string[] }
export type Branch = { id: number; name: string; description: string; isDefault: boolean }
export type Configuration = { id: string; component: string; name: string }
export type Project = {
  id: string
  name: string
  region: string
  organization: string
  created: string
  buckets: Bucket[]
  components: Component[]
  configurations: Configuration[]
  branches: Branch[]
}

const table = (name: string, header: string, ...rows: string[]): Table => ({
  name,
  columns: header.split(','),
  rows: rows.map((row) => row.split(',')),
})
const bucket = (id: string, description: string, ...tables: Table[]): Bucket => ({
  id,
  name: id.slice(id.indexOf('.c-') + 3),
  stage: id.startsWith('in.') ? 'in' : 'out',
  description,
  tables,
})

/** https://developers.keboola.com/extend/component/ui-options/#genericdockerui-authorization */
export const AUTHORIZES = 'genericDockerUI-authorization'

const COMPONENTS = {
  salesforce: {
    id: 'keboola.ex-salesforce',
    name: 'Salesforce',
    type: 'extractor',
    flags: ['genericDockerUI', AUTHORIZES],
  },
  postgres: { id: 'keboola.ex-db-pgsql', name: 'PostgreSQL', type: 'extractor', flags: ['genericDockerUI'] },
  sheets: {
    id: 'keboola.ex-google-drive',
    name: 'Google Sheets',
    type: 'extractor',
    flags: ['genericDockerUI', AUTHORIZES],
  },
  transformation: {
    id: 'keboola.snowflake-transformation',
    name: 'Snowflake SQL',
    type: 'transformation',
    flags: ['genericDockerUI'],
  },
  python: {
    id: 'keboola.python-transformation-v2',
    name: 'Python',
    type: 'transformation',
    flags: ['genericDockerUI'],
  },
  writer: { id: 'keboola.wr-db-snowflake', name: 'Snowflake writer', type: 'writer', flags: ['genericDockerUI'] },
} satisfies Record<string, Component>

export const PROJECTS: Project[] = [
  {
    id: '10231',
    name: 'Acme Sales Reporting',
    region: 'eu-central-1',
    organization: '412',
    created: '2024-02-12T09:14:00+0100',
    buckets: [
      bucket(
        'in.c-crm',
        'Accounts and opportunities, loaded nightly',
        table('accounts', 'id,name,country', '1,Northwind,CZ', '2,Contoso,DE', '3,Tailspin,AT'),
        table('opportunities', 'id,account_id,amount', '501,1,12000', '502,2,8600'),
      ),
      bucket('in.c-web-orders', 'Orders of the web shop', table('orders', 'id,total,placed', '9001,129.90,2026-03-02')),
      bucket('out.c-reporting', 'What the dashboards read', table('revenue', 'month,amount', '2026-03,418200')),
    ],
    components: [COMPONENTS.salesforce, COMPONENTS.postgres, COMPONENTS.transformation, COMPONENTS.writer],
    configurations: [
      { id: '901', component: 'keboola.ex-salesforce', name: 'Accounts, nightly' },
      { id: '902', component: 'keboola.ex-db-pgsql', name: 'Web shop' },
    ],
    branches: [
      { id: 7001, name: 'Main', description: '', isDefault: true },
      { id: 7101, name: 'currencies', description: 'Amounts in euros', isDefault: false },
    ],
  },
  {
    id: '10232',
    name: 'Acme Data Science',
    region: 'eu-central-1',
    organization: '412',
    created: '2024-06-03T14:40:00+0200',
    buckets: [
      bucket('in.c-features', 'Model features', table('customers', 'id,churn_score', '1,0.12', '2,0.71')),
      bucket('in.c-experiments', 'Experiment log', table('runs', 'id,accuracy', '77,0.912')),
      bucket('out.c-predictions', 'Scored customers', table('churn', 'id,will_churn', '1,no', '2,yes')),
    ],
    components: [COMPONENTS.python, COMPONENTS.transformation, COMPONENTS.sheets],
    configurations: [{ id: '911', component: 'keboola.ex-google-drive', name: 'Survey answers' }],
    branches: [{ id: 7002, name: 'Main', description: '', isDefault: true }],
  },
  {
    id: '20877',
    name: 'Acme & Globex Joint Venture',
    region: 'us-east-1',
    organization: '530',
    created: '2025-01-20T08:00:00+0100',
    buckets: [
      bucket('in.c-shipments', 'Shipments of both companies', table('shipments', 'id,carrier', '31,rail', '32,road')),
      bucket('out.c-shared-kpi', 'Agreed figures', table('kpi', 'name,value', 'on_time,0.97')),
    ],
    components: [COMPONENTS.sheets, COMPONENTS.transformation],
    configurations: [{ id: '921', component: 'keboola.ex-google-drive', name: 'Carriers' }],
    branches: [{ id: 7003, name: 'Main', description: '', isDefault: true }],
  },
  {
    id: '20880',
    name: 'Globex Supply Chain',
    region: 'us-east-1',
    organization: '530',
    created: '2025-03-11T16:30:00+0100',
    buckets: [
      bucket('in.c-warehouse', 'Stock levels', table('stock', 'sku,units', 'A-1,140', 'B-7,12')),
      bucket('out.c-forecast', 'Demand forecast', table('demand', 'sku,week,units', 'A-1,14,60')),
    ],
    components: [COMPONENTS.postgres, COMPONENTS.python, COMPONENTS.writer],
    configurations: [],
    branches: [{ id: 7004, name: 'Main', description: '', isDefault: true }],
  },
  {
    id: '10240',
    name: 'Acme Finance Archive',
    region: 'eu-central-1',
    organization: '412',
    created: '2023-11-28T11:05:00+0100',
    buckets: [
      bucket('in.c-ledger', 'Closed books', table('entries', 'id,debit,credit', '1,100.00,0.00')),
      bucket('out.c-audit', 'For the auditors', table('totals', 'year,amount', '2025,5120044')),
    ],
    components: [COMPONENTS.postgres, COMPONENTS.transformation],
    configurations: [],
    branches: [{ id: 7005, name: 'Main', description: '', isDefault: true }],
  },
]

export const ACCOUNTS: Account[] = [
  {
    id: '3001',
    sub: 'acct-3001',
    email: 'owner@acme.test',
    name: 'Acme Owner',
    organization: '412',
    memberships: { '10231': 'admin', '10232': 'admin', '20877': 'share' },
  },
  {
    id: '3002',
    sub: 'acct-3002',
    email: 'member@acme.test',
    name: 'Acme Member',
    organization: '412',
    memberships: { '10231': 'guest', '10240': 'readOnly' },
  },
  {
    id: '4001',
    sub: 'acct-4001',
    email: 'owner@globex.test',
    name: 'Globex Owner',
    organization: '530',
    memberships: { '20877': 'admin', '20880': 'admin' },
  },
]

const ticket = (
  organization: string,
  id: string,
  day: string,
  title: string,
  rest: Pick<Ticket, 'status' | 'reporter' | 'assignee' | 'text'>,
): Ticket => ({ id, organization, title, ...rest, created: `${day}T08:30:00.000Z`, updated: `${day}T08:30:00.000Z` })

/** The tickets of the first moment; an organisation sees its own alone. */
export const TICKETS: readonly Ticket[] = [
  ticket('412', '101', '2026-03-02', 'Revenue is missing for February', {
    status: 'open',
    reporter: '3002',
    assignee: '3001',
    text: 'The dashboard stops at January. The nightly load says that it was fine.',
  }),
  ticket('412', '102', '2026-03-05', 'A new colleague needs the CRM tables', {
    status: 'pending',
    reporter: '3001',
    assignee: '3001',
    text: 'Reading is enough. Waiting for the name of the laptop.',
  }),
  ticket('412', '103', '2026-03-09', 'Export of orders takes an hour', {
    status: 'closed',
    reporter: '3002',
    assignee: null,
    text: 'It took three minutes until last week.',
  }),
  ticket('530', '201', '2026-03-03', 'Stock of A-1 is negative', {
    status: 'open',
    reporter: '4001',
    assignee: '4001',
    text: 'Counted 140 on the shelf, the system shows -3.',
  }),
  ticket('530', '202', '2026-03-06', 'Forecast for week 14 looks too low', {
    status: 'open',
    reporter: '4001',
    assignee: null,
    text: 'It does not know about the campaign.',
  }),
]

export const accountBySub = (sub: string | undefined) => ACCOUNTS.find((account) => account.sub === sub)
export const accountByEmail = (email: unknown) => ACCOUNTS.find((account) => account.email === email)
export const projectById = (id: string | undefined) => PROJECTS.find((project) => project.id === id)
export const projectsOf = (account: Account) => PROJECTS.filter((project) => project.id in account.memberships)
