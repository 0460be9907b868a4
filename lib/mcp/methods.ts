import { isModern, type Revision } from './revisions.ts'

/**
 * What becomes of a message by its method.
 * - `pass`: it goes on as it is.
 * - `filter`: it goes on, and what of it the token does not allow is taken out, here or on the way back.
 * - `judge`: it goes on if the token allows what it names.
 * - `drop`: it is taken and goes no further.
 * - `refuse`: it is refused by name.
 */
export type Handling = 'pass' | 'filter' | 'judge' | 'drop' | 'refuse'

type Row = {
  /** In revisions with sessions, up to 2025-11-25; left out: they do not know it, and it is refused. */
  sessions?: Handling
  /** From 2026-07-28 on. */
  modern?: Handling
  /** For people: what is looked at, or why it is refused. */
  about: string
}

/** Requests of a client. What is not here is refused by name. */
export const requests: Record<string, Row> = {
  initialize: {
    sessions: 'filter',
    about: 'the revision is one that both sides and the gateway speak; tasks are left out',
  },
  'server/discover': { modern: 'filter', about: 'revisions that the gateway does not speak, and tasks, are left out' },
  ping: { sessions: 'pass', about: '' },
  'logging/setLevel': { sessions: 'pass', about: '' },
  'tools/list': { sessions: 'filter', modern: 'filter', about: 'tools that the token may not call are left out' },
  'tools/call': { sessions: 'judge', modern: 'judge', about: 'the tool, by its name' },
  'resources/list': {
    sessions: 'filter',
    modern: 'filter',
    about: 'resources that the token may not read are left out',
  },
  'resources/templates/list': {
    sessions: 'filter',
    modern: 'filter',
    about: 'templates that the token does not name are left out',
  },
  'resources/read': { sessions: 'judge', modern: 'judge', about: 'the resource, by its URI' },
  'resources/subscribe': { sessions: 'judge', about: 'the resource, by its URI' },
  'resources/unsubscribe': { sessions: 'judge', about: 'the resource, by its URI' },
  'subscriptions/listen': { modern: 'filter', about: 'resources that the token may not read are left out' },
  'prompts/list': { sessions: 'filter', modern: 'filter', about: 'prompts that the token may not get are left out' },
  'prompts/get': { sessions: 'judge', modern: 'judge', about: 'the prompt, by its name' },
  'completion/complete': { sessions: 'judge', modern: 'judge', about: 'the prompt or the resource that it is for' },
  'tasks/get': { sessions: 'refuse', modern: 'refuse', about: 'a task is not known by the tool that began it' },
  'tasks/result': { sessions: 'refuse', about: 'a task is not known by the tool that began it' },
  'tasks/update': { modern: 'refuse', about: 'a task is not known by the tool that began it' },
  'tasks/list': { sessions: 'refuse', about: 'it names the tasks of others' },
  'tasks/cancel': { sessions: 'refuse', modern: 'refuse', about: 'a task is not known by the tool that began it' },
}

/** Notifications of a client. */
export const notifications: Record<string, Row> = {
  'notifications/initialized': { sessions: 'pass', about: '' },
  'notifications/cancelled': {
    sessions: 'pass',
    modern: 'drop',
    about: 'from 2026-07-28 on the end of a stream cancels',
  },
  'notifications/progress': { sessions: 'pass', about: '' },
  'notifications/roots/list_changed': { sessions: 'pass', about: '' },
}

/** Requests of a server: on a stream in revisions with sessions, inside a result (`inputRequests`) from 2026-07-28 on. */
export const serverRequests: Record<string, Row> = {
  ping: { sessions: 'pass', about: '' },
  'roots/list': { sessions: 'pass', modern: 'pass', about: '' },
  'sampling/createMessage': { sessions: 'pass', modern: 'pass', about: '' },
  'elicitation/create': { sessions: 'pass', modern: 'pass', about: '' },
}

/** Notifications of a server. What is not here is left out. */
export const serverNotifications: Record<string, Row> = {
  'notifications/message': { sessions: 'pass', modern: 'pass', about: '' },
  'notifications/progress': { sessions: 'pass', modern: 'pass', about: 'of the request that it is told on' },
  'notifications/cancelled': { sessions: 'pass', about: '' },
  'notifications/tools/list_changed': { sessions: 'pass', modern: 'pass', about: '' },
  'notifications/resources/list_changed': { sessions: 'pass', modern: 'pass', about: '' },
  'notifications/prompts/list_changed': { sessions: 'pass', modern: 'pass', about: '' },
  'notifications/resources/updated': {
    sessions: 'filter',
    modern: 'filter',
    about: 'of a resource that the token may read',
  },
  'notifications/elicitation/complete': { sessions: 'pass', about: '' },
  'notifications/subscriptions/acknowledged': { modern: 'pass', about: '' },
}

export const handlingOf = (rows: Record<string, Row>, method: string, revision: Revision): Handling => {
  const row = Object.hasOwn(rows, method) ? rows[method] : undefined
  return (isModern(revision) ? row?.modern : row?.sessions) ?? 'refuse'
}

/** Requests that a server may answer by asking for something first (mrtr.mdx, "Supported Requests"). */
export const mayAskFirst = new Set(['tools/call', 'resources/read', 'prompts/get'])
