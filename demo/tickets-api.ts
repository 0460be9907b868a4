import { z } from 'zod'
import { note, type Part, type World } from './part.ts'
import { type Ticket, TicketStatus } from './store.ts'
import { MOUNT, type TicketScope } from './tickets.ts'
import { type Answer, type Incoming, json } from './wire.ts'
import { ACCOUNTS, type Account, accountBySub } from './world.ts'

const Change = z.strictObject({
  title: z.string().min(1).max(200).optional(),
  text: z.string().max(10_000).optional(),
  status: TicketStatus.optional(),
  /** Id of a person of the same organisation. */
  assignee: z.string().nullable().optional(),
})
const NewTicket = Change.required({ title: true })

/** The ticket service's API: an organisation's tickets, each call within the scope of its token (RFC 6750). */
export function makeTicketsApi(world: World): Part {
  const { store, clock } = world

  function refused(status: 401 | 403, parameters: Record<string, string>): Answer {
    const challenge = Object.entries({ realm: 'tickets', ...parameters }).map(([name, value]) => `${name}="${value}"`)
    // RFC 6750 3.1: without a token the challenge names no error.
    const error = parameters.error ?? 'unauthorized'
    return json(status, { error }, { 'www-authenticate': `Bearer ${challenge.join(', ')}` })
  }
  const notFound = () => json(404, { error: 'not_found' })
  const invalid = (description: string) => json(400, { error: 'invalid_request', error_description: description })

  const view = ({ organization: _, ...ticket }: Ticket) => ticket
  const stamp = () => new Date(clock.now()).toISOString()

  /** Changes that may be written, or why not. */
  function parsed<T extends z.infer<typeof Change>>(schema: z.ZodType<T>, incoming: Incoming, account: Account) {
    const input = schema.safeParse(incoming.fields)
    if (!input.success) return { refusal: invalid(z.prettifyError(input.error)) }
    const { assignee } = input.data
    const known = ACCOUNTS.some(({ id, organization }) => id === assignee && organization === account.organization)
    if (assignee && !known) return { refusal: invalid('assignee: nobody of this organisation') }
    return { data: input.data }
  }

  function create(incoming: Incoming, account: Account): Answer {
    const { data, refusal } = parsed(NewTicket, incoming, account)
    if (refusal) return refusal
    const blank = { text: '', status: 'open' as const, assignee: null, created: stamp(), updated: stamp() }
    const made = { ...blank, ...data, id: store.newId(), organization: account.organization, reporter: account.id }
    store.putTicket(made)
    return json(201, view(made), { location: `${MOUNT}/api/tickets/${made.id}` })
  }

  function change(incoming: Incoming, account: Account, ticket: Ticket): Answer {
    const { data, refusal } = parsed(Change, incoming, account)
    if (refusal) return refusal
    const changed = { ...ticket, ...data, updated: stamp() }
    store.putTicket(changed)
    return json(200, view(changed))
  }

  function remove(ticket: Ticket): Answer {
    store.removeTicket(ticket.id)
    return { status: 204, headers: {}, body: '' }
  }

  /** What a request wants: the scope it needs, none where any live token will do, and the act itself. */
  function route(incoming: Incoming, path: string) {
    const [kind, id, more] = path.split('/')
    type Act = { scope?: TicketScope; act: (account: Account) => Answer }
    const one =
      (act: (account: Account, ticket: Ticket) => Answer) =>
      (account: Account): Answer => {
        const ticket = store.ticketsOf(account.organization).find((known) => known.id === id)
        return ticket ? act(account, ticket) : notFound()
      }
    const list = (account: Account) => json(200, { items: store.ticketsOf(account.organization).map(view) })
    const acts: Record<string, Act> = {
      'GET me': { act: ({ id, name }) => json(200, { id, name }) },
      'GET tickets': { scope: 'tickets:read', act: list },
      'POST tickets': { scope: 'tickets:write', act: (account) => create(incoming, account) },
      'GET tickets/{id}': { scope: 'tickets:read', act: one((_, ticket) => json(200, view(ticket))) },
      'PATCH tickets/{id}': {
        scope: 'tickets:write',
        act: one((account, ticket) => change(incoming, account, ticket)),
      },
      'DELETE tickets/{id}': { scope: 'tickets:delete', act: one((_, ticket) => remove(ticket)) },
    }
    return more === undefined ? acts[`${incoming.method} ${id ? `${kind}/{id}` : kind}`] : undefined
  }

  return async (incoming) => {
    const { pathname } = incoming.url
    if (!pathname.startsWith(`${MOUNT}/api/`)) return undefined
    const bearer = /^Bearer (.+)$/i.exec(incoming.headers.authorization ?? '')?.[1]
    if (bearer === undefined) return refused(401, {})
    const record = store.token(bearer)
    const account = accountBySub(record?.sub)
    if (record?.kind !== 'access' || record.system !== 'tickets' || !store.isLive(record) || !account) {
      return refused(401, { error: 'invalid_token' })
    }
    note(incoming, { account: account.email, client: record.client })
    const wanted = route(incoming, pathname.slice(`${MOUNT}/api/`.length))
    if (!wanted) return notFound()
    const { scope, act } = wanted
    if (scope && !record.scope?.split(' ').includes(scope)) return refused(403, { error: 'insufficient_scope', scope })
    return act(account)
  }
}
