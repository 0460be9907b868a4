import { IncomingMessage, type OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import type { KoaContextWithOIDC, Provider } from 'oidc-provider'
import type { RequestEntry } from './ledger.ts'

/** A request, read whole. `fields` is the parsed body, whichever of form or JSON it was. */
export type Incoming = {
  method: string
  url: URL
  headers: IncomingMessage['headers']
  body: string
  fields: Record<string, unknown>
  entry: RequestEntry
}

/** An answer that nothing has been sent of yet, so a fault can still change it. */
export type Answer = {
  status: number
  headers: OutgoingHttpHeaders
  body: string
  /** Instead of the body, of an answer that goes on. */
  stream?: ReadableStream<Uint8Array>
}

export const json = (status: number, value: unknown, headers: OutgoingHttpHeaders = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/json; charset=utf-8', ...headers },
  body: JSON.stringify(value),
})

export const redirect = (location: string): Answer => ({ status: 303, headers: { location }, body: '' })

/** Parses a form as PHP does: `a[]` collects a list, `a[k]` a map. */
export function parseForm(body: string): Record<string, unknown> {
  const fields: Record<string, unknown> = {}
  for (const [name, value] of new URLSearchParams(body)) {
    const [, base, key] = /^([^[\]]+)\[([^[\]]*)\]$/.exec(name) ?? []
    if (base === undefined || base === '__proto__' || key === '__proto__') {
      if (name !== '__proto__') fields[name] = value
    } else if (key === '') {
      fields[base] = [...(Array.isArray(fields[base]) ? fields[base] : []), value]
    } else {
      fields[base] = { ...(typeof fields[base] === 'object' ? fields[base] : {}), [key ?? '']: value }
    }
  }
  return fields
}

/** A string field of the body, or undefined when absent, empty or something else. */
export function field(incoming: Incoming, name: string): string | undefined {
  const value = incoming.fields[name]
  return typeof value === 'string' && value !== '' ? value : undefined
}

export type Engine = {
  /** Lets oidc-provider answer; `path` is below its mount point, `form` replaces the request's body. */
  answer(incoming: Incoming, change?: { path?: string; form?: Record<string, string> }): Promise<Answer>
  /** A request and response pair for oidc-provider's interaction functions. */
  pair(incoming: Incoming): [IncomingMessage, ServerResponse]
}

/**
 * Runs an oidc-provider instance as a function from request to answer. `after` sees each request once the engine is
 * done and may still change status, headers and body.
 */
export function makeEngine(
  provider: Provider,
  mount: string,
  after: (ctx: KoaContextWithOIDC, incoming: Incoming) => Promise<void>,
): Engine {
  const incomings = new WeakMap<IncomingMessage, Incoming>()
  const answers = new WeakMap<IncomingMessage, Answer>()

  provider.use(async (ctx, next) => {
    const incoming = incomings.get(ctx.req)
    await next()
    if (incoming) await after(ctx as KoaContextWithOIDC, incoming)
    const body = ctx.body
    const { 'content-length': _, ...headers } = ctx.res.getHeaders()
    const text = body === undefined || body === null ? '' : typeof body === 'string' ? body : JSON.stringify(body)
    answers.set(ctx.req, { status: ctx.status, headers, body: text })
    ctx.respond = false
  })
  const run = provider.callback()

  function makePair(incoming: Incoming, path: string, body: string): [IncomingMessage, ServerResponse] {
    const request = new IncomingMessage(new Socket())
    request.method = incoming.method
    request.url = path
    request.headers = { ...incoming.headers }
    delete request.headers['transfer-encoding']
    if (body) request.headers['content-length'] = String(Buffer.byteLength(body))
    // oidc-provider finds its mount point by comparing the two.
    Object.assign(request, { originalUrl: mount + path })
    request.complete = true
    if (body) request.push(body)
    request.push(null)
    incomings.set(request, incoming)
    return [request, new ServerResponse(request)]
  }

  return {
    async answer(incoming, change = {}) {
      const path = change.path ?? incoming.url.pathname.slice(mount.length) + incoming.url.search
      const form = change.form && new URLSearchParams(change.form).toString()
      const [request, response] = makePair(incoming, path, form ?? incoming.body)
      if (form !== undefined) {
        request.headers['content-type'] = 'application/x-www-form-urlencoded'
        delete request.headers.authorization
      }
      await run(request, response)
      return answers.get(request) ?? json(500, { error: 'server_error' })
    },
    pair: (incoming) => makePair(incoming, incoming.url.pathname.slice(mount.length), ''),
  }
}
