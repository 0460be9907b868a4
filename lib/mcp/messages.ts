import { JsonError, type Parsed, parseStrictBytes, serialised } from '../security/strict-json.ts'

/** A JSON-RPC id: a text or a whole number, never null (MCP, "Requests"). */
export type Id = string | number
export type Params = { readonly [name: string]: unknown }
export type RpcError = { code: number; message: string; data?: unknown }

/** One message, and nothing in it that the protocol does not know: what is judged is all that is sent. */
export type Message =
  | { kind: 'request'; id: Id; method: string; params: Params | undefined }
  | { kind: 'notification'; method: string; params: Params | undefined }
  | { kind: 'result'; id: Id; result: Params }
  | { kind: 'error'; id: Id | undefined; error: RpcError }

export type Read = { message: Message; hasNumerals: boolean }

/** JSON-RPC 2.0 5.1, MCP "Error Codes"; positive ones are ours, as the specification asks of what it does not define. */
export const rpcCodes = {
  parse: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  headerMismatch: -32020,
  unsupportedVersion: -32022,
  linkRequired: -32042,
  notAllowed: 403,
  tooMany: 429,
  badAnswer: 502,
  unavailable: 503,
} as const

/** What is told instead of passing a message on. */
export class RpcRefusal extends Error {
  override readonly name = 'RpcRefusal'
  readonly error: RpcError
  /** Of the HTTP answer, where the revision asks for one. */
  readonly status: number
  constructor(
    code: keyof typeof rpcCodes,
    message: string,
    { data, status = 200 }: { data?: unknown; status?: number } = {},
  ) {
    super(message)
    this.error = { code: rpcCodes[code], message, ...(data !== undefined && { data }) }
    this.status = status
  }
}

const isObject = (value: unknown): value is Params =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.getPrototypeOf(value) === Object.prototype
const isId = (value: unknown): value is Id =>
  Number.isSafeInteger(value) || (typeof value === 'string' && value.length <= 500)
/** Of any revision, and of those to come. */
const methodForm = /^[A-Za-z$][\w$/.-]{0,199}$/

const wrong = (message: string, code: 'parse' | 'invalidRequest' = 'invalidRequest') =>
  new RpcRefusal(code, message, { status: 400 })

/** Reads one message. @throws RpcRefusal for what is none, for a batch, and for what two readers could read in two ways */
export function readMessage(bytes: Uint8Array): Read {
  let parsed: Parsed
  try {
    parsed = parseStrictBytes(bytes)
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw wrong(`This is not read: ${error.message}.`, error.kind === 'syntax' ? 'parse' : 'invalidRequest')
  }
  return { message: messageOf(parsed.value), hasNumerals: parsed.hasNumerals }
}

function messageOf(value: unknown): Message {
  if (Array.isArray(value)) throw wrong('One message at a time: batches are not taken.')
  if (!isObject(value) || value.jsonrpc !== '2.0') throw wrong('This is no JSON-RPC 2.0 message.')
  const { jsonrpc: _, id, method, params, result, error, ...others } = value
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw wrong('The message has a member that JSON-RPC does not know.')
  const has = (name: string) => Object.hasOwn(value, name)
  if (method !== undefined) {
    if (typeof method !== 'string' || !methodForm.test(method)) throw wrong('The method is not a name.')
    if (has('result') || has('error')) throw wrong('A message is a request or an answer.')
    if (has('params') && !isObject(params)) throw wrong('The parameters are not an object.')
    const given = has('params') ? (params as Params) : undefined
    if (!has('id')) return { kind: 'notification', method, params: given }
    if (!isId(id)) throw wrong('The id is neither a text nor a whole number.')
    return { kind: 'request', id, method, params: given }
  }
  if (has('params') || has('result') === has('error')) throw wrong('This is neither a request nor an answer.')
  if (has('result')) {
    if (!isId(id) || !isObject(result)) throw wrong('The answer is not of the form that JSON-RPC has.')
    return { kind: 'result', id, result }
  }
  const { code, message, data } = isObject(error) ? error : {}
  if (!Number.isSafeInteger(code) || typeof message !== 'string' || (has('id') && id !== null && !isId(id)))
    throw wrong('The error is not of the form that JSON-RPC has.')
  return {
    kind: 'error',
    id: isId(id) ? id : undefined,
    error: { code: code as number, message, ...(data !== undefined && { data }) },
  }
}

/** Writes a message: the only way in which one leaves, to either side. */
export function writeMessage({ message, hasNumerals }: Read): string {
  const { kind: _, ...members } = message
  return serialised({ jsonrpc: '2.0', ...members }, hasNumerals)
}

export const written = (message: Message): string => writeMessage({ message, hasNumerals: false })
export const errorMessage = (id: Id | undefined, error: RpcError): Message => ({ kind: 'error', id, error })

/** A member of parameters that is an object; otherwise none. */
export const objectIn = (of: Params | undefined, name: string): Params | undefined => {
  const value = of && Object.hasOwn(of, name) ? of[name] : undefined
  return isObject(value) ? value : undefined
}
export const textIn = (of: Params | undefined, name: string): string | undefined => {
  const value = of && Object.hasOwn(of, name) ? of[name] : undefined
  return typeof value === 'string' ? value : undefined
}
