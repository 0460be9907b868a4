import { z } from 'zod'
import { assertOutboundUrl } from '../../security/outbound.ts'
import { isUserHosted } from '../../security/user-hosted.ts'
import { type Found, type Here, type Prepared, SetupError } from '../kind.ts'
import type { ProviderDeps } from '../provider.ts'
import { KeboolaSettings } from './settings.ts'
import { stacks } from './stacks.ts'

const path = z
  .string()
  .max(200)
  .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'a path such as /oauth/authorize')
  .refine((text) => !/\/\.{1,2}(\/|$)/.test(text), 'a path without dot segments')

/** What an admin enters for a stack: one of the known ones, or the address of any other. */
export const KeboolaSetup = z.strictObject({
  stack: z.string().max(40).optional(),
  issuer: z.string().max(300).optional(),
  authorize_path: path.optional(),
  token_path: path.optional(),
  scope: z
    .string()
    .max(500)
    .regex(/^[!#-[\]-~]+( [!#-[\]-~]+)*$/, 'scopes with a blank between them')
    .optional(),
  client: z.enum(['confidential', 'public']).optional(),
  league: z.union([z.literal(8), z.literal(9)]).optional(),
  programmatic: z.boolean().optional().describe('Members may also link by the stack’s programmatic auth'),
  programmatic_client_id: z
    .string()
    .max(200)
    .regex(/^[!-~]+$/, 'printable, without blanks')
    .optional()
    .describe('Of the client there, where it is another one'),
})
export type KeboolaSetup = z.infer<typeof KeboolaSetup>

/** Fixes what a new row stands on. Nothing is asked for: a stack publishes no metadata. @throws SetupError */
export async function prepare(
  input: KeboolaSetup,
  deps: Pick<ProviderDeps, 'config'>,
  here: Pick<Here, 'origin'>,
): Promise<Prepared> {
  const { stack, issuer: address, authorize_path, token_path, scope, client = 'confidential', league } = input
  const { programmatic, programmatic_client_id } = input
  if ((stack === undefined) === (address === undefined))
    throw new SetupError({ issuer: 'Choose a known stack, or enter the address of another one.' })
  const issuer = address === undefined ? addressOf(stack) : checkedAddress(address, deps)
  if (isUserHosted(issuer))
    throw new SetupError({ issuer: 'Programs of users run at this address. Enter the one of the stack itself.' })
  // Whoever runs a program there could read the codes of everybody who links.
  if (isUserHosted(here.origin, issuer))
    throw new SetupError({
      issuer: 'This Valetkey runs where users of that stack run programs, so no code may be sent to it.',
    })
  const settings = KeboolaSettings.parse({
    ...(authorize_path !== undefined && { authorizePath: authorize_path }),
    ...(token_path !== undefined && { tokenPath: token_path }),
    ...(scope !== undefined && { scope }),
    ...(league !== undefined && { league }),
    ...(programmatic !== undefined && { programmatic }),
    ...(programmatic_client_id !== undefined && { programmaticClientId: programmatic_client_id }),
    client,
  })
  return { issuer, settings, isPublic: client === 'public' }
}

function addressOf(name: string | undefined): string {
  const known = stacks.find((one) => one.name === name)
  if (known) return `https://${known.host}`
  throw new SetupError({ stack: `Choose one of: ${stacks.map((one) => one.name).join(', ')}.` })
}

/** An origin alone that the way out allows (F-07). What its name resolves to is judged at each call, not here (F-10). */
function checkedAddress(text: string, { config }: Pick<ProviderDeps, 'config'>): string {
  let url: URL
  try {
    url = assertOutboundUrl(text, config)
  } catch (cause) {
    const issuer =
      'Enter a public https address such as https://connection.example.com. For a host inside your network, ask the operator to add it to VALETKEY_INTERNAL_HOSTS.'
    throw new SetupError({ issuer }, cause)
  }
  if (url.href !== `${url.origin}/`) throw new SetupError({ issuer: 'Enter the address without a path.' })
  return url.origin
}

/** Where its endpoints are; League publishes no metadata, so these are settings. */
export function found(settings: KeboolaSettings, issuer: string): Found {
  const { authorizePath, tokenPath, scope, client } = settings
  return {
    endpoints: [
      { name: 'authorization_endpoint', url: issuer + authorizePath },
      { name: 'token_endpoint', url: issuer + tokenPath },
    ],
    authentication: client === 'public' ? 'none' : 'post',
    scopes: scope === undefined ? [] : scope.split(' '),
    apiBases: [{ name: 'Storage API', url: issuer }],
    certificates: [],
  }
}
