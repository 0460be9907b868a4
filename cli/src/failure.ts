import type { ProblemError } from '../../lib/client/index.ts'
import { type Exit, exitCodes } from './exit-codes.ts'

/** What ends a command: what happened, what to do next, and how the process exits. Everything else is a mistake of ours. */
export class Failure extends Error {
  override readonly name = 'Failure'
  readonly exit: Exit
  /** For programs; the server's own code where it answered with one. */
  readonly code: string
  readonly next: string | undefined
  readonly requestId: string | undefined
  constructor(exit: Exit, message: string, { next, code = exit, requestId, cause }: Details = {}) {
    super(message, { cause })
    this.exit = exit
    this.code = code
    this.next = next
    this.requestId = requestId
  }
  get exitCode(): number {
    return exitCodes[this.exit].code
  }
}

type Details = { next?: string | undefined; code?: string; requestId?: string | undefined; cause?: unknown }

const exits: Record<string, Exit> = {
  unauthenticated: 'signed_out',
  session_refused: 'signed_out',
  not_linked: 'attention',
  needs_relink: 'attention',
  frozen: 'attention',
  token_outstanding: 'attention',
  too_many_tokens: 'attention',
  bad_request: 'usage',
}

/** What a terminal does next, where that is more than the server can say. */
const nextSteps: Record<string, string> = {
  beyond_grant: 'Sign in again, and allow more in the browser: valetkey login',
}

/** By its code, and where that says nothing special by its status. */
const exitOf = ({ code, status }: Pick<ProblemError, 'code' | 'status'>): Exit => {
  const special = exits[code]
  if (special) return special
  if (status === 404 || status === 410) return 'not_found'
  if (status === 429) return 'busy'
  if (status === 403 || status === 422) return 'refused'
  return status >= 500 ? 'unreachable' : 'failed'
}

/** Something answers in the server's place, or not to the end (O-24). */
export const notValetkey = (server: string, { status, cause }: { status?: number | undefined; cause?: unknown }) =>
  new Failure(
    'strange',
    `What answers at ${server}${status ? ` (HTTP ${status})` : ''} is not Valetkey, or its answer is not whole.`,
    {
      code: 'not_valetkey',
      cause,
      next: 'A proxy or a sign-in page may stand in between. Check the address: valetkey doctor',
    },
  )

/** Nothing answers. `reason`: in the words of the network. */
export const noAnswer = (server: string, { reason, cause }: { reason: string | undefined; cause: unknown }) =>
  new Failure('unreachable', `${server} does not answer${reason ? ` (${reason})` : ''}.`, {
    code: 'no_answer',
    cause,
    next: 'Check the address and your network, then try again: valetkey doctor',
  })

/** An answer of the API that was a problem, as the end of a command. `reason`: why none came. */
export function failureOf(error: ProblemError, server: string, reason?: string): Failure {
  const { code, problem, retryAfterSeconds } = error
  const exit = exitOf(error)
  const details = { code, requestId: problem.request_id || undefined, cause: error }
  if (code === 'no_answer') return noAnswer(server, { reason, cause: error })
  if (code === 'not_valetkey') return notValetkey(server, { status: error.status, cause: error })
  if (exit === 'busy' && retryAfterSeconds !== undefined)
    return new Failure(exit, problem.title, {
      ...details,
      next: `Try again in ${Math.ceil(retryAfterSeconds)} seconds.`,
    })
  const fields = Object.entries(problem.fields ?? {}).map(([field, what]) => `${field}: ${what}`)
  const said = [problem.detail ?? problem.title, ...fields].join('\n  ')
  return new Failure(exit, said, {
    ...details,
    next: exit === 'signed_out' ? 'Sign in again: valetkey login' : (nextSteps[code] ?? problem.next),
  })
}
