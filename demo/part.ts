import type { Clock } from './clock.ts'
import type { FaultScript } from './faults.ts'
import type { KeyRing } from './keys.ts'
import type { LedgerBook } from './ledger.ts'
import type { Modes } from './modes.ts'
import type { Store, TokenRecord } from './store.ts'
import type { Answer, Incoming } from './wire.ts'

export type ClientRegistration = { id: string; secret: string; redirectUris: string[] }

/** What every part of the demo upstream works on. `modes.current` is replaced as a whole, so read it when it counts. */
export type World = {
  url: string
  appUrl?: string
  signinClient: ClientRegistration
  stackClient: ClientRegistration
  ticketsClient: ClientRegistration
  /** Left out: whoever comes registers. */
  notesClient?: ClientRegistration | undefined
  clock: Clock
  store: Store
  ledger: LedgerBook
  faults: FaultScript
  modes: { current: Modes }
  /** To be called when the modes have changed, and when everything begins anew. */
  onModes: (() => void)[]
  onReset: (() => void)[]
  /** Of the identity provider and the stack; the ticket service has a ring of its own. */
  keys: KeyRing
}

/** One role of the server. Answers undefined for a path that is not its own. */
export type Part = (incoming: Incoming) => Promise<Answer | undefined>

/** Removes the fields that `modes.missingFields` names. */
export function withoutFields(world: World, body: Record<string, unknown>): Record<string, unknown> {
  const missing = world.modes.current.missingFields
  return Object.fromEntries(Object.entries(body).filter(([name]) => !missing.includes(name)))
}

/** `expires_in` in the shape the current mode asks for. */
export function expiresInField(world: World, seconds: number): { expires_in?: number | string } {
  const shape = world.modes.current.expiresIn
  if (shape === 'missing') return {}
  return { expires_in: shape === 'string' ? String(seconds) : seconds }
}

const GRACE_MILLISECONDS = 30_000

/** Whether a rotated refresh token still works, because the mode gives it a grace. */
export function isInGrace({ modes, clock }: World, { endedAt }: TokenRecord): boolean {
  return modes.current.rotation === 'grace' && isWithinGrace(clock, endedAt)
}

/** Whether a token ended so lately that a server with a grace answers it again. */
export const isInGraceOf = ({ clock }: World, { endedAt }: TokenRecord): boolean => isWithinGrace(clock, endedAt)

const isWithinGrace = (clock: Clock, endedAt: number | null) =>
  endedAt !== null && clock.now() - endedAt <= GRACE_MILLISECONDS

/** Records in the ledger which person a request was about. */
export function note(incoming: Incoming, about: { account?: string; client?: string; project?: string }): void {
  Object.assign(incoming.entry, about)
}
