import { z } from 'zod'
import { readJson } from '../../security/json.ts'
import type { OutboundInit } from '../../security/outbound.ts'
import type { Secret } from '../../security/secrets.ts'
import { isUpstreamError, type ProviderDeps, UpstreamError } from '../provider.ts'
import { type CallKind, withRetries } from '../retry.ts'
import { sendUpstream } from '../send.ts'
import { isSessionAccess, projectHeader } from './session-credential.ts'

// Upstream objects: ids switch between string and number, an empty PHP map arrives as [], lists may be absent.
export const id = z.union([z.string().min(1), z.number()]).transform(String)
export const emptyOrMap = z.union([z.array(z.never()).transform(() => ({})), z.record(z.string(), z.string())])
export const StorageToken = z.object({ id, description: z.string().default('') })
const Verified = StorageToken.extend({
  isMasterToken: z.boolean().nullish(),
  canManageBuckets: z.boolean().nullish(),
  canManageTokens: z.boolean().nullish(),
  canReadAllFileUploads: z.boolean().nullish(),
  admin: z.object({ id, name: z.string().default(''), role: z.string().nullish() }).nullish(),
  owner: z.object({ id, name: z.string(), region: z.string().nullish() }),
})
const named = { id, name: z.string().nullish(), displayName: z.string().nullish() }
export const Named = z.array(z.object(named))
export const Components = z.array(
  z.object({ ...named, flags: z.array(z.string()).default([]), configurations: Named.default([]) }),
)
export const Branches = z.array(z.object({ ...named, isDefault: z.boolean().default(false) }))

/** A session reaches several projects, so a call names one of them. */
export type Credential = { bearer: Secret; project: string | undefined } | { storageToken: Secret }

/** Names and values of the headers that say who calls. */
export function headersOf(as: Credential): [name: string, value: string][] {
  if (!('bearer' in as)) return [['x-storageapi-token', as.storageToken.reveal()]]
  const bearer: [string, string] = ['authorization', `Bearer ${as.bearer.reveal()}`]
  return as.project !== undefined && isSessionAccess(as.bearer) ? [bearer, [projectHeader, as.project]] : [bearer]
}

type Call = { method?: 'GET' | 'POST' | 'DELETE'; path: string; as: Credential; body?: unknown }

const turnedDown = new Set<number | undefined>([400, 404, 409, 422])

export type Storage = ReturnType<typeof storageApi>

/** The Storage API of a stack, each call judged by what its answer means. @throws UpstreamError */
export function storageApi(issuer: string, deps: ProviderDeps) {
  const ask = <T>(kind: CallKind, schema: z.ZodType<T>, call: Call) =>
    withRetries(deps, kind, async () => parse(schema, await send(call)))

  async function send({ method = 'GET', path, as, body }: Call): Promise<{ status: number; body: unknown }> {
    const headers = new Headers({ accept: 'application/json' })
    for (const [name, value] of headersOf(as)) headers.set(name, value)
    if (body !== undefined) headers.set('content-type', 'application/json')
    const init: OutboundInit = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) }
    const response = await sendUpstream(deps, `${issuer}/v2/storage${path}`, init).catch((error: unknown) => {
      // A mint that it turned down for what it asks: an unknown bucket, an attribute that it does not take.
      if (method === 'POST' && isUpstreamError(error) && turnedDown.has(error.status))
        throw new UpstreamError('rejected', 'the upstream rejected the request', error)
      throw error
    })
    return { status: response.status, body: await readJson(response) }
  }

  const verify = (as: Credential) => ask('read', Verified, { path: '/tokens/verify', as })

  return { ask, send, verify }
}

/** Any 2xx with the fields that are needed is success, 200 and 201 alike (K-19); a success without them is not (K-28). */
function parse<T>(schema: z.ZodType<T>, { status, body }: { status: number; body: unknown }): T {
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new UpstreamError('protocol', 'the answer lacks what it must hold', { status })
}

/** `2026-11-20T10:00:00+0100` has no colon in its offset, which strict parsers refuse. */
export function parseDate(text: string): Date | undefined {
  const time = Date.parse(text.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))
  return Number.isNaN(time) ? undefined : new Date(time)
}

/** Clocks differ by minutes (H-07). A stack's further off than this would hide how long a token really lives. */
export const clockToleranceSeconds = 10 * 60
/** The end is counted in whole seconds and from when the upstream began. */
export const lifeToleranceSeconds = 60
