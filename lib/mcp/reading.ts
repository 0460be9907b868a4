import type { IncomingMessage } from 'node:http'
import { BrokerError } from '../errors.ts'
import { type Message, objectIn, type Params, type Read, RpcRefusal, readMessage, textIn } from './messages.ts'
import { isModern, isRevision, metaNames, modern, type Revision, revisions } from './revisions.ts'
import { type Owner, openSession, type Session } from './session.ts'
import { headerText, headerValue, nameOf } from './upstream.ts'

/** Of one message (IV-03). */
export const messageBytesMax = 4 * 1024 * 1024

/** One header, however often it was sent; undefined: none, or several that differ. */
function headerOf({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  const values = rawHeaders.flatMap((text, index) =>
    rawHeaders[index - 1]?.toLowerCase() === name && index % 2 === 1 ? [text] : [],
  )
  if (values.length > 1) throw new RpcRefusal('invalidRequest', `The header ${name} appears twice.`, { status: 400 })
  return values[0]
}

/** @throws BrokerError unsupported_media_type, too_large; RpcRefusal where the body is no message */
export async function readBody(request: IncomingMessage): Promise<Read> {
  if (!/^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i.test(request.headers['content-type'] ?? ''))
    throw new BrokerError('unsupported_media_type')
  if (request.headers['content-encoding'] !== undefined)
    throw new BrokerError('unsupported_media_type', { detail: 'Send the message uncompressed.' })
  if (Number(request.headers['content-length'] ?? 0) > messageBytesMax) throw new BrokerError('too_large')
  const pieces: Buffer[] = []
  let bytes = 0
  try {
    for await (const piece of request as AsyncIterable<Buffer>) {
      bytes += piece.length
      if (bytes > messageBytesMax) throw new BrokerError('too_large')
      pieces.push(piece)
    }
  } catch (error) {
    throw error instanceof BrokerError ? error : new BrokerError('aborted', { cause: error })
  }
  return readMessage(Buffer.concat(pieces))
}

/** What a client accepts (streamable-http.mdx, "Sending Messages"). @throws RpcRefusal */
export function requireAccept(request: IncomingMessage, types: readonly string[]): void {
  const given = (request.headers.accept ?? '').toLowerCase()
  const takes = (type: string) =>
    given.includes(type) || given.includes('*/*') || given.includes(`${type.split('/', 1)[0]}/*`)
  if (!types.every(takes))
    throw new RpcRefusal('invalidRequest', `Accept must name ${types.join(' and ')}.`, { status: 406 })
}

/** How a message came: in which revision, and in which session of ours. */
export type Manner =
  | { era: 'modern'; revision: Revision; opensLinks: boolean; parameters: string[] }
  | { era: 'initialize'; revision: Revision; opensLinks: boolean }
  | { era: 'session'; revision: Revision; opensLinks: boolean; session: Session; sealed: string }

const opensLinks = (capabilities: Params | undefined) =>
  objectIn(objectIn(capabilities, 'elicitation'), 'url') !== undefined

/**
 * In which revision a message is to be read, as its headers and it say alike.
 * @throws RpcRefusal in the form of that revision
 */
export function mannerOf(request: IncomingMessage, message: Message, owner: Owner, key: Uint8Array): Manner {
  const params = message.kind === 'request' || message.kind === 'notification' ? message.params : undefined
  if (message.kind === 'request' && message.method === 'initialize') {
    const asked = textIn(params, 'protocolVersion')
    const revision = isRevision(asked) && !isModern(asked) ? asked : '2025-11-25'
    return { era: 'initialize', revision, opensLinks: opensLinks(objectIn(params, 'capabilities')) }
  }
  const version = headerOf(request, 'mcp-protocol-version')
  const meta = objectIn(params, '_meta')
  const said = meta && Object.hasOwn(meta, metaNames.version) ? meta[metaNames.version] : undefined
  const given = headerOf(request, 'mcp-session-id')
  const isOld = isRevision(version) ? !isModern(version) : version === undefined && given !== undefined
  if (said === undefined && isOld) return { era: 'session', ...sessionOf(given, version, owner, key) }
  return { era: 'modern', revision: modern, ...modernOf(request, message, meta, { version, said }) }
}

function sessionOf(given: string | undefined, version: string | undefined, owner: Owner, key: Uint8Array) {
  if (given === undefined)
    throw new RpcRefusal('invalidRequest', 'Send initialize first, then the Mcp-Session-Id that it answers.', {
      status: 400,
    })
  const session = openSession(key, owner, given)
  if (!session)
    throw new RpcRefusal('invalidRequest', 'This session is over, or is not of this token. Send initialize again.', {
      status: 404,
    })
  if (version !== undefined && version !== session.revision)
    throw new RpcRefusal('invalidRequest', `This session is of revision ${session.revision}.`, { status: 400 })
  return { session, sealed: given, revision: session.revision, opensLinks: session.opensLinks }
}

/** Of a stream that is opened or ended (GET, DELETE), which only revisions with sessions have. @throws BrokerError, RpcRefusal */
export function openedSession(request: IncomingMessage, owner: Owner, key: Uint8Array): Manner & { era: 'session' } {
  const version = headerOf(request, 'mcp-protocol-version')
  const given = headerOf(request, 'mcp-session-id')
  if (given === undefined || version === modern) throw new BrokerError('method_not_allowed')
  return { era: 'session', ...sessionOf(given, version, owner, key) }
}

export const unsupported = (requested: unknown, supported: readonly string[] = revisions) =>
  new RpcRefusal('unsupportedVersion', `Unsupported protocol version. Supported: ${supported.join(', ')}.`, {
    status: 400,
    data: { supported, requested: typeof requested === 'string' ? requested.slice(0, 40) : '' },
  })

const mismatch = (what: string) => new RpcRefusal('headerMismatch', `Header mismatch: ${what}.`, { status: 400 })

function modernOf(
  request: IncomingMessage,
  message: Message,
  meta: Params | undefined,
  { version, said }: { version: string | undefined; said: unknown },
): { opensLinks: boolean; parameters: string[] } {
  if (message.kind !== 'request' && message.kind !== 'notification')
    throw new RpcRefusal('invalidRequest', 'In this revision a client sends no answers.', { status: 400 })
  if (version === undefined) throw mismatch('MCP-Protocol-Version is missing')
  if (!isRevision(version)) throw unsupported(version)
  if (message.kind === 'notification') return { opensLinks: false, parameters: [] }
  const capabilities = objectIn(meta, metaNames.capabilities)
  if (typeof said !== 'string' || !capabilities)
    throw new RpcRefusal('invalidParams', `_meta must hold ${metaNames.version} and ${metaNames.capabilities}.`, {
      status: 400,
    })
  if (said !== version) throw mismatch('MCP-Protocol-Version is not what _meta says')
  if (!isModern(version)) throw unsupported(version, [modern])
  if (headerOf(request, 'mcp-method') !== message.method) throw mismatch('Mcp-Method is not the method')
  const name = nameOf(message)
  const named = headerOf(request, 'mcp-name')
  if (name !== undefined && (named === undefined || headerText(named) !== name))
    throw mismatch('Mcp-Name is not what the message names')
  return { opensLinks: opensLinks(capabilities), parameters: parametersOf(request, message) }
}

const parametersMax = 50

/**
 * `Mcp-Param-*`, written anew: each must say what one of the arguments says (streamable-http.mdx, "Server Behavior for Custom
 * Headers"). Which one is the server's to compare.
 */
function parametersOf(request: IncomingMessage, message: Message & { kind: 'request' }): string[] {
  const names = Object.keys(request.headers).filter((name) => name.startsWith('mcp-param-'))
  if (names.length === 0) return []
  if (names.length > parametersMax || message.method !== 'tools/call')
    throw mismatch('Mcp-Param headers are for arguments of a tool')
  const values = new Set<string>()
  collect(objectIn(message.params, 'arguments'), values)
  return names.flatMap((name) => {
    const text = headerText(headerOf(request, name) ?? '')
    if (text === undefined || !values.has(text)) throw mismatch(`${name.slice(0, 80)} is not what an argument says`)
    return [name, headerValue(text)]
  })
}

function collect(value: unknown, into: Set<string>): void {
  if (typeof value === 'object' && value !== null) for (const inner of Object.values(value)) collect(inner, into)
  else if (value !== null && value !== undefined) into.add(String(value))
}
