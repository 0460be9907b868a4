import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Context } from '../context.ts'
import type { GatewayFacts } from '../providers/kind.ts'
import type { Payers, Quotas } from '../proxy/quotas.ts'
import type { Running } from '../proxy/running.ts'
import type { Tally, User } from '../proxy/tally.ts'
import type { GatewayEntered, GatewayEntering } from '../store/mcp.ts'
import type { Together } from '../store/together.ts'
import type { Answering } from './answering.ts'
import type { Message } from './messages.ts'
import type { Permits } from './permits.ts'
import type { Owner } from './session.ts'
import type { Target } from './target.ts'
import type { ToolTally } from './tool-tally.ts'

/** What one process keeps of the gateway. Nothing of it says whether a token is valid: that is asked each time. */
export type Gateway = {
  ctx: Context
  entrance: Together<GatewayEntering, GatewayEntered>
  known: Map<string, Known>
  running: Running
  tally: Tally
  tools: ToolTally
  quotas: Quotas
}

/** What changes only with the rows that it was read from. */
export type Known = {
  payers: Payers
  seen: string
  permits: Permits
  /** Its rights in words. */
  words: string
  facts: GatewayFacts
  /** Sealed: the value of the header, where everybody shares one. */
  key: string | null
  address: string
}

export type Serving = {
  request: IncomingMessage
  response: ServerResponse
  target: Target
  address: string | null
  /** On every answer: names and values. */
  headers: readonly string[]
}

export type Live = Extract<GatewayEntered, { state: 'live' }>

/** One call, once it is known who makes it. */
export type Call = Serving & {
  entered: Live
  known: Known
  answering: Answering
  owner: Owner
  user: User
  key: string
}

export type Request = Extract<Message, { kind: 'request' }>

/** What is told of a call. */
export type Served = { holderId: string; method: string }
