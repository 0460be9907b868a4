import { z } from 'zod'
import type { ChangeableSetting } from '../kind.ts'
import { longestGraceSeconds } from '../provider.ts'

/** Paths and habits of a stack; the defaults are those of the stacks that run League. */
export const KeboolaSettings = z.strictObject({
  authorizePath: z.string().startsWith('/').default('/oauth/authorize'),
  tokenPath: z.string().startsWith('/').default('/oauth/token'),
  scope: z.string().optional(),
  /** A public client has no secret: PKCE alone ties the code to who asked for it. */
  client: z.enum(['confidential', 'public']).default('confidential'),
  /** Generation of its OAuth server, by which a dead refresh token is told; left out: either wording counts. */
  league: z.union([z.literal(8), z.literal(9)]).optional(),
  /** One for all stacks (K-30). */
  componentPage: z.url().default('https://external.keboola.com/oauth/index.html'),
  /** Whether a token may be made that manages tokens, where somebody chooses that (K-20). */
  allowManageTokens: z.boolean().default(false),
  /** Whether members may paste a Storage token in place of a consent (docs/decisions/0107). */
  allowPastedTokens: z.boolean().default(false),
  /** Whether people may also link by the stack's own sign-in for programs, one session for many projects (upstreams.md 3.4). */
  programmatic: z.boolean().default(false),
  /** Whether a child of such a session may write: it can do all that its person may, also what outlives it. */
  allowWritingChildren: z.boolean().default(false),
  /** Our client there; left out: the same as at its OAuth server. */
  programmaticClientId: z.string().min(1).max(200).optional(),
  /** How long an unused refresh token lives: a month, which no answer tells. */
  refreshTokenDays: z.int().min(1).max(3_650).default(30),
  /** How long a refresh token is still answered after its first use; 0: not at all. */
  refreshGraceSeconds: z.int().min(0).max(longestGraceSeconds).default(30),
})

export type KeboolaSettings = z.infer<typeof KeboolaSettings>

export const changeable: readonly ChangeableSetting[] = [
  {
    name: 'refreshTokenDays',
    label: 'Unused connection expires',
    unit: 'day',
    hint: 'The upstream drops a connection after this many days without a renewal. Valetkey renews idle connections well before that.',
    min: 1,
    max: 3_650,
  },
  {
    name: 'refreshGraceSeconds',
    label: 'Reuse window of a refresh token',
    unit: 'second',
    hint: 'How long a used refresh token still works, so that an interrupted renewal can be repeated. 0: not at all.',
    min: 0,
    max: longestGraceSeconds,
  },
  {
    is: 'switch',
    name: 'allowManageTokens',
    label: 'Tokens may manage tokens',
    hint: 'Members may then choose this right. Such a token can end, and take over, tokens of everybody in its project.',
    byDefault: false,
  },
  {
    is: 'switch',
    name: 'allowPastedTokens',
    label: 'Members may paste Storage tokens',
    hint: 'For accounts that cannot approve in a browser. A pasted token lives as long as the stack lets it, and disconnecting does not end it there.',
    byDefault: false,
  },
  {
    is: 'switch',
    name: 'programmatic',
    label: 'One sign-in for several projects',
    hint: 'Members may then also link by the stack’s programmatic auth, and choose which of their projects it is for. Not every stack offers it yet.',
    byDefault: false,
  },
  {
    is: 'switch',
    name: 'allowWritingChildren',
    label: 'Children of such a sign-in may write',
    hint: 'Members may then make a token of an hour at most that can do everything in one project that they may themselves, also make other tokens. One that only reads needs no switch.',
    byDefault: false,
  },
]
