import { z } from 'zod'
import type { RightLine } from '../kind.ts'
import * as scopes from '../oauth/rights.ts'
import type { KeycloakSettings } from './settings.ts'

/** A client of the realm, by its id there. */
export const audienceName = z
  .string()
  .regex(/^[!-~]{1,255}$/, 'A client id has neither spaces nor letters beyond ASCII.')

/** How the realm calls a person. */
export const username = z.string().regex(/^[!-~]{1,255}$/, 'A username has neither spaces nor letters beyond ASCII.')

/** What a token may do, and where: nothing that is absent is granted (N-36). */
export const KeycloakRights = z
  .strictObject({
    ...scopes.OauthRights.shape,
    audience: z.array(audienceName).min(1).max(10).describe('Clients of the realm that accept it; no other one does'),
    /** RFC 8693 4.1. */
    delegate: z.literal(true).optional().describe('It stays about who linked, and names Valetkey as the one who acts'),
    impersonate: username
      .optional()
      .describe('The username of somebody else whom it is about, where policy allows that'),
  })
  .refine(({ delegate, impersonate }) => !delegate || impersonate === undefined, {
    path: ['impersonate'],
    message: 'cannot be asked for together with delegate',
  })
export type KeycloakRights = z.infer<typeof KeycloakRights>

export function describe(rights: KeycloakRights, settings?: KeycloakSettings): RightLine[] {
  const { audience, delegate, impersonate } = rights
  const where = audience.map((name): RightLine => {
    const known = settings?.audiences.find((one) => one.name === name)
    return { text: known ? `works at ${name}: ${known.text}` : `works at ${name}`, risk: 'low' }
  })
  return [
    ...(impersonate === undefined ? [] : [{ text: `as another person: ${impersonate}`, risk: 'high' as const }]),
    ...(delegate ? [{ text: 'Valetkey is named as the one who acts', risk: 'low' as const }] : []),
    ...scopes.describe(rights, settings?.described),
    ...where,
  ]
}

export const summary = (rights: KeycloakRights): string[] => [
  ...(rights.impersonate === undefined ? [] : [`as ${rights.impersonate}`]),
  ...scopes.summary(rights),
  `at ${rights.audience.join(', ')}`,
]

export const narrows = (asked: KeycloakRights, limit: KeycloakRights): boolean => missing(asked, limit).length === 0

/** A limit of a policy may be silent on what this kind has beside scopes: that allows nothing of it. */
export const missing = (asked: KeycloakRights, granted: Partial<KeycloakRights>): string[] => [
  ...scopes.missing(asked, { scopes: granted.scopes ?? [] }),
  ...asked.audience.filter((name) => !granted.audience?.includes(name)).map((name) => `the audience ${name}`),
  ...(asked.delegate && !granted.delegate ? ['an actor'] : []),
  ...(asked.impersonate !== undefined && asked.impersonate !== granted.impersonate
    ? [`the person ${asked.impersonate}`]
    : []),
]
