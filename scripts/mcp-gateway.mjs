// The table of docs/mcp-gateway.md, out of the one that the gateway decides by.
import { notifications, requests, serverNotifications, serverRequests } from '../lib/mcp/methods.ts'

const cell = (handling) => handling ?? '–'
const rows = (table) =>
  Object.entries(table).map(
    ([method, { sessions, modern, about }]) => `| \`${method}\` | ${cell(sessions)} | ${cell(modern)} | ${about} |`,
  )
const section = (title, table) => [
  `**${title}**`,
  '',
  '| method | 2025-06-18, 2025-11-25 | 2026-07-28 | |',
  '|---|---|---|---|',
  ...rows(table),
  '',
]

/** The four tables, as they stand between the marks of the page. */
export const methodTables = () =>
  [
    ...section('Requests of a client', requests),
    ...section('Notifications of a client', notifications),
    ...section('Requests of a server', serverRequests),
    ...section('Notifications of a server', serverNotifications),
  ].join('\n')

/** The page with its table as it has to be. */
export const gatewayPage = (page) =>
  page.replace(
    /(<!-- methods -->\n)[\s\S]*(<!-- \/methods -->)/,
    (_, before, after) => `${before}\n${methodTables()}\n${after}`,
  )
