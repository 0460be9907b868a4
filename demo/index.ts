import { type Clock, makeClock } from './clock.ts'
import { makeControl } from './control.ts'
import { type Faults, makeFaults } from './faults.ts'
import { makeIdentityProvider } from './idp.ts'
import { type KeyRing, makeKeyRing } from './keys.ts'
import { type Ledger, makeLedger } from './ledger.ts'
import { defaultModes, type Modes, ModesPatch } from './modes.ts'
import { makeNotes, MOUNT as notesMount, MCP as notesPath } from './notes.ts'
import { makeNotesMcp } from './notes-mcp.ts'
import type { ClientRegistration, Part, World } from './part.ts'
import { listen, makeHandler } from './server.ts'
import { makeSessions } from './sessions.ts'
import { makeStack } from './stack.ts'
import { makeStorage, makeTokenPage, type OwnToken } from './storage.ts'
import { makeStore } from './store.ts'
import { makeTickets } from './tickets.ts'
import { makeTicketsApi } from './tickets-api.ts'
import { accountByEmail, projectById } from './world.ts'

export type { Barrier, Fault, Faults } from './faults.ts'
export type { Ledger, RequestEntry, TokenEntry } from './ledger.ts'
export type { Modes, Role } from './modes.ts'
export { ACCOUNTS, PROJECTS, TICKETS } from './world.ts'

export type DemoOptions = {
  /** 0 or absent: any free port. */
  port?: number
  signinClient: ClientRegistration
  stackClient: ClientRegistration
  ticketsClient: ClientRegistration
  /** At the notes, where clients may also register themselves. */
  notesClient?: ClientRegistration | undefined
  /** Without it there is no control API. */
  controlSecret?: string
  /** Where linked projects outlive a restart; token hashes only. */
  dataFile?: string
  accessTokenSeconds?: number
  /** Whether whoever signs out of the product is asked to sign out of the identity provider as well. */
  endSession?: boolean
  /** Milliseconds since the epoch. */
  now?: () => number
  /** Where the demo's pages send somebody who has nothing to do there. */
  appUrl?: string
  /** What it signs with; keys of its own unless given. */
  keys?: KeyRing
}

export type Demo = {
  url: string
  /** Issuer of the identity provider, `{url}/idp`. */
  issuer: string
  /** Issuer of the ticket service, `{url}/tickets`; its API is below `/api` there. */
  ticketsIssuer: string
  /** Issuer of the notes, `{url}/notes`, and their MCP endpoint, `{url}/notes/mcp`. */
  notesIssuer: string
  notesUrl: string
  /** A line for the person starting it, when the data file could not be read. */
  warning?: string
  ledger: Ledger
  faults: Faults
  modes: { readonly current: Modes; set(patch: ModesPatch): Modes }
  clock: Clock
  /** What a person does in the stack's own pages: makes a Storage token by hand. Its value. */
  makeStorageToken(token: Pick<OwnToken, 'kind' | 'expiresInSeconds'> & { account: string; project: string }): string
  /** What a person does upstream to end what they allowed: every grant of theirs there, and what came of it. */
  endGrants(email: string, system?: 'stack' | 'tickets' | 'notes' | 'sessions'): Promise<void>
  /**
   * Back to the first moment: modes, faults, clock, request ledger, sessions, and no token is live any more. The
   * ledger's tokens stay listed, for a canary search over the whole run.
   */
  reset(): void
  close(): Promise<void>
}

/** Starts the demo upstream on 127.0.0.1: identity provider, project stack with its Storage API, ticket service, and notes with an MCP server, in one server. */
export async function startDemo(options: DemoOptions): Promise<Demo> {
  const server = await listen(options.port ?? 0)
  const url = `http://127.0.0.1:${server.port}`
  const clock = makeClock(options.now)
  const store = makeStore(clock, options.dataFile)
  const ledger = makeLedger(clock, store)
  const faults = makeFaults()
  const modes = { current: defaultModes(options) }
  const { signinClient, stackClient, ticketsClient, notesClient, appUrl } = options
  const world: World = {
    url,
    appUrl,
    signinClient,
    stackClient,
    ticketsClient,
    notesClient,
    clock,
    store,
    ledger,
    faults,
    modes,
    onModes: [],
    onReset: [],
    keys: options.keys ?? makeKeyRing(),
  }
  // Begun right away, so that it is there when the first token is made.
  void world.keys.key('RS256', 0)

  const storage = makeStorage(world)
  const demo: Demo = {
    url,
    makeStorageToken({ account: email, project: id, ...token }) {
      const account = accountByEmail(email)
      const project = projectById(id)
      if (!account || !project) throw new Error('nobody, or nothing, of that name is at the stack')
      return storage.make({ account, project, ...token })
    },
    issuer: `${url}/idp`,
    ticketsIssuer: `${url}/tickets`,
    notesIssuer: url + notesMount,
    notesUrl: url + notesPath,
    warning: store.warning,
    ledger,
    faults,
    modes: {
      get current() {
        return modes.current
      },
      set(patch) {
        modes.current = { ...modes.current, ...ModesPatch.parse(patch) }
        for (const told of world.onModes) told()
        return modes.current
      },
    },
    clock,
    async endGrants(email, system = 'stack') {
      const account = accountByEmail(email)
      for (const grant of account ? store.grantsOf(system, account.sub) : []) {
        store.endGrant(grant)
        for (const model of ['AccessToken', 'RefreshToken']) await store.adapter(system)(model).revokeByGrantId(grant)
      }
    },
    reset() {
      modes.current = defaultModes(options)
      faults.clear()
      clock.setOffset(0)
      store.clear()
      ledger.clearRequests()
      for (const told of world.onReset) told()
    },
    async close() {
      faults.clear()
      await server.close()
      await store.close()
    },
  }

  const [identityProvider, stack, tickets, notes] = await Promise.all([
    makeIdentityProvider(world),
    makeStack(world),
    makeTickets(world),
    makeNotes(world),
  ])
  const control: Part[] = options.controlSecret ? [makeControl(demo, options.controlSecret)] : []
  const apis = [
    storage.part,
    makeTokenPage(storage.make),
    makeSessions(world),
    makeTicketsApi(world),
    makeNotesMcp(world),
  ]
  // The stack answers at the root, so it comes behind those that have a path.
  const parts = [...control, ...apis, identityProvider, notes, tickets, stack]
  server.onRequest(makeHandler(world, parts, server.port))
  return demo
}
