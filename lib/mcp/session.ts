import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Id } from './messages.ts'
import { isRevision, type Revision } from './revisions.ts'

/** What a session id of ours says. Nothing is stored: who brings it back brings all of it, and nobody else can make one. */
export type Session = {
  /** The server's own, if it gave one. */
  upstream: string | null
  revision: Revision
  /** The client opens addresses for people (elicitation, mode url). */
  opensLinks: boolean
}

/** Whose a session is: another token, project or connection cannot use it. */
export type Owner = { tenantId: string; holderId: string; projectId: string; connectionId: string }

const aad = ({ tenantId, holderId, projectId, connectionId }: Owner) =>
  Buffer.from(`session ${tenantId} ${holderId} ${projectId} ${connectionId}`)

/** Of a server; visible ASCII (transports.mdx, "Session Management"), and of a length that fits a header. */
const sessionForm = /^[\x21-\x7e]{1,1000}$/
export const isSessionId = (text: string): boolean => sessionForm.test(text)

/** Seals a session for its owner: AES-256-GCM under a key of the instance. */
export function sealSession(key: Uint8Array, owner: Owner, { upstream, revision, opensLinks }: Session): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(aad(owner))
  const text = JSON.stringify([upstream, revision, opensLinks])
  const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
  return sealed.toString('base64url')
}

/** undefined: nobody sealed it for this owner. */
export function openSession(key: Uint8Array, owner: Owner, sealed: string): Session | undefined {
  if (sealed.length > 2_000 || !/^[\w-]{40,}$/.test(sealed)) return undefined
  const bytes = Buffer.from(sealed, 'base64url')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 }).setAAD(
      aad(owner),
    )
    decipher.setAuthTag(bytes.subarray(-16))
    const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString('utf8')
    const [upstream, revision, opensLinks] = JSON.parse(text) as [string | null, unknown, boolean]
    return isRevision(revision) ? { upstream, revision, opensLinks } : undefined
  } catch {
    return undefined
  }
}

const macOf = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest().subarray(0, 16)

/** Text that only we can have made for this owner and purpose; it may be read by anybody. */
export const marked = (key: Uint8Array, owner: string, text: string): string =>
  `${Buffer.from(text).toString('base64url')}.${macOf(key, `${owner} ${text}`).toString('base64url')}`

/** What such a text says; undefined: it is none of ours. */
export function unmarked(key: Uint8Array, owner: string, given: string): string | undefined {
  const [body = '', mac = '', ...more] = given.split('.')
  const text = Buffer.from(body, 'base64url').toString('utf8')
  const found = Buffer.from(mac, 'base64url')
  const wanted = macOf(key, `${owner} ${text}`)
  if (more.length > 0 || found.length !== wanted.length || !timingSafeEqual(found, wanted)) return undefined
  return text
}

const asked = (sealed: string) => `asked ${sealed}`

/** The id under which a client sees a request of its server: it can answer that one and no other (`sealed`: its session). */
export const idForClient = (key: Uint8Array, sealed: string, id: Id): string =>
  marked(key, asked(sealed), JSON.stringify(id))

/** The server's own id, of an answer by the client; undefined: the server asked nothing of that id in this session. */
export function idForServer(key: Uint8Array, sealed: string, id: Id): Id | undefined {
  const text = typeof id === 'string' ? unmarked(key, asked(sealed), id) : undefined
  return text === undefined ? undefined : (JSON.parse(text) as Id)
}
