import type { ReactNode } from 'react'
import { agentWords } from '@/app/_features/agent-words.ts'
import { grantColumns, grantName, grantRow } from '@/app/_features/grant-table.tsx'
import { oneOf } from '@/app/_features/query.ts'
import type { RevocableFilter } from '@/app/_features/revoke.ts'
import { isLive, tokenColumns, tokenName, tokenRow } from '@/app/_features/token-table.tsx'
import { projectsName } from '@/app/_features/words.ts'
import type { Column, Row } from '@/app/_ui/data-table.tsx'
import { type Actor, may } from '@/lib/actor.ts'
import { connectionPage } from '@/lib/broker/read/connection.ts'
import { grantPage } from '@/lib/broker/read/grants.ts'
import type { Total } from '@/lib/broker/read/page.ts'
import { requestPage } from '@/lib/broker/read/requests.ts'
import { sessionPage } from '@/lib/broker/read/sessions.ts'
import { tokenPage } from '@/lib/broker/read/token.ts'
import type { Context } from '@/lib/context.ts'
import { connectionColumns, connectionRow } from './connection-row.tsx'
import { type Chosen, connectionStates, filterOf, grantStates, tokenStates, type View, wireOf } from './filters.ts'
import { requestColumns, requestName, requestRow } from './request-row.tsx'
import { sessionColumns, sessionRow } from './session-row.tsx'

type Asked = { ctx: Context; actor: Actor; tenant: string; chosen: Chosen; before: string | undefined; now: Date }

/** What a tab shows of one kind of thing, and what an act on all that match means. */
export type List = {
  kind: RevocableFilter['kind']
  caption: string
  /** What one of them is called. */
  noun: string
  total: Total
  next: string | null
  /** Whose names the rows need. */
  owners: (string | null)[]
  /** Of all pages, where all of that can be ended. */
  match: ({ filter: RevocableFilter } & Total) | undefined
  columns: Column[]
  rows: (names: Map<string, string>) => Row[]
  /** What questions and outcomes call each row. */
  facts: (names: Map<string, string>) => { id: string; name: string; owner: string }[]
  empty: { title: string; why: ReactNode }
}

const former = 'former member'
const totalOf = ({ total, totalIsCapped }: Total) => ({ total, totalIsCapped })

/** What every list is asked for, and what an act on all that match carries. */
const askedFor = (view: View, { chosen, before, now }: Asked) => {
  const filter = filterOf(view, chosen, now)
  const whole = { ...filter, everybody: true, order: chosen.sort, before }
  return { filter, whole, wire: wireOf(filter, chosen, view) }
}

async function tokens(asked: Asked): Promise<List> {
  const { ctx, actor, tenant, chosen, now } = asked
  const { whole, wire } = askedFor('tokens', asked)
  const state = oneOf(tokenStates, chosen.state) ?? 'live'
  const found = await tokenPage(ctx, actor, {
    ...whole,
    strategy: chosen.strategy,
    state: state === 'all' ? undefined : state,
  })
  return {
    kind: 'tokens',
    caption: 'Issued tokens of the tenant',
    noun: 'token',
    total: totalOf(found),
    next: found.next,
    owners: found.items.map(({ ownerId }) => ownerId),
    match: state === 'live' ? { ...totalOf(found), filter: { kind: 'tokens', ...wire } } : undefined,
    columns: tokenColumns({ owners: new Map() }),
    rows: (owners) =>
      found.items.map((token) => ({
        ...tokenRow({ tenant, now: now.toISOString(), owners }, token),
        fixed: !isLive(token),
      })),
    facts: (names) =>
      found.items.map((token) => ({
        id: token.id,
        name: `${tokenName(token)} · ${token.project.name}`,
        owner: names.get(token.ownerId) ?? former,
      })),
    empty: { title: 'No live token', why: 'Live tokens that members of this tenant issued appear here.' },
  }
}

async function connections(asked: Asked): Promise<List> {
  const { ctx, actor, tenant, chosen } = asked
  const { whole, wire } = askedFor('connections', asked)
  const state = oneOf(connectionStates, chosen.state) ?? ('standing' as const)
  const found = await connectionPage(ctx, actor, { ...whole, status: state === 'all' ? undefined : state })
  const filter = { kind: 'connections', ...wire } as const
  return {
    kind: 'connections',
    caption: 'Connections of the tenant',
    noun: 'connection',
    total: totalOf(found),
    next: found.next,
    owners: found.items.map(({ ownerId }) => ownerId),
    match:
      state === 'all' || state === 'revoked'
        ? undefined
        : { ...totalOf(found), filter: state === 'standing' ? filter : { ...filter, status: state } },
    columns: connectionColumns,
    rows: (names) =>
      found.items.map((connection) => {
        const owner = names.get(connection.ownerId) ?? former
        return connectionRow({ tenant, owner, mayFreeze: may(actor, 'administer') }, connection)
      }),
    facts: (names) =>
      found.items.map((connection) => ({
        id: connection.id,
        name: `${projectsName(connection)} · ${connection.accountName}`,
        owner: names.get(connection.ownerId) ?? former,
      })),
    empty: {
      title: 'No connection',
      why: 'Projects that members of this tenant linked appear here with their owner and health.',
    },
  }
}

async function devices(asked: Asked): Promise<List> {
  const { ctx, actor, tenant, chosen, now } = asked
  const { whole, wire } = askedFor('devices', asked)
  const state = oneOf(grantStates, chosen.state) ?? ('standing' as const)
  const found = await grantPage(ctx, actor, {
    ...whole,
    program: oneOf(['device', 'app'], chosen.kind),
    state: state === 'all' ? undefined : state,
  })
  const filter = { kind: 'grants', ...wire } as const
  return {
    kind: 'grants',
    caption: 'Devices and apps of the tenant',
    noun: 'device or app',
    total: totalOf(found),
    next: found.next,
    owners: found.items.map(({ ownerId }) => ownerId),
    match:
      state === 'standing' || state === 'frozen'
        ? { ...totalOf(found), filter: state === 'frozen' ? { ...filter, status: state } : filter }
        : undefined,
    columns: grantColumns({ owners: new Map() }),
    rows: (owners) => found.items.map((grant) => grantRow({ tenant, now: now.toISOString(), owners }, grant)),
    facts: (names) =>
      found.items.map((grant) => ({ id: grant.id, name: grantName(grant), owner: names.get(grant.ownerId) ?? former })),
    empty: {
      title: 'No device or app',
      why: 'Programs that members of this tenant let in appear here with what they may do.',
    },
  }
}

async function sessions(asked: Asked): Promise<List> {
  const { ctx, actor, tenant, chosen, before } = asked
  const { filter, wire } = askedFor('sessions', asked)
  const { search, userId, madeBefore, endsBefore, endsAfter } = filter
  const order = chosen.sort === 'ends' ? chosen.sort : undefined
  const found = await sessionPage(ctx, actor, { search, userId, madeBefore, endsBefore, endsAfter, order, before })
  return {
    kind: 'sessions',
    caption: 'Sessions that the tenant accepts',
    noun: 'session',
    total: totalOf(found),
    next: found.next,
    owners: found.items.map(({ ownerId }) => ownerId),
    match: { total: found.others, totalIsCapped: found.totalIsCapped, filter: { kind: 'sessions', ...wire } },
    columns: sessionColumns,
    rows: (names) =>
      found.items.map((session) => sessionRow({ tenant, owner: names.get(session.ownerId) ?? former }, session)),
    facts: (names) =>
      found.items.map(({ id, agent, ownerId }) => ({
        id,
        name: agentWords(agent),
        owner: names.get(ownerId) ?? former,
      })),
    empty: { title: 'No session', why: 'Browsers in which members of this tenant are signed in appear here.' },
  }
}

async function requests(asked: Asked): Promise<List> {
  const { ctx, actor, tenant, before } = asked
  const { filter, wire } = askedFor('requests', asked)
  const { search, userId, providerId, clientId } = filter
  const found = await requestPage(ctx, actor, { search, userId, providerId, clientId, request: wire.request, before })
  const ownerOf = (ownerId: string | null, names: Map<string, string>) =>
    ownerId === null ? 'nobody yet' : (names.get(ownerId) ?? former)
  return {
    kind: 'requests',
    caption: 'Open requests in the tenant',
    noun: 'request',
    total: totalOf(found),
    next: found.next,
    owners: found.items.map(({ ownerId }) => ownerId),
    match: { ...totalOf(found), filter: { kind: 'requests', ...wire } },
    columns: requestColumns,
    rows: (names) => found.items.map((request) => requestRow({ tenant, names }, request)),
    facts: (names) =>
      found.items.map((request) => ({
        id: request.id,
        name: requestName(request),
        owner: ownerOf(request.ownerId, names),
      })),
    empty: {
      title: 'Nothing is open',
      why: 'Links that somebody has begun, and devices and apps that wait to be let in, appear here for as long as they can be answered.',
    },
  }
}

/** A tab is an entry here. */
export const lists: Record<Exclude<View, 'unconfirmed'>, (asked: Asked) => Promise<List>> = {
  tokens,
  connections,
  devices,
  sessions,
  requests,
}
