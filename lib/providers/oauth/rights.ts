import { z } from 'zod'
import type { RightLine } from '../kind.ts'
import type { Preset } from './preset.ts'

/** A scope as RFC 6749 3.3 spells it; passed on as it is (N-34). Read alike by every validator (JSON Schema 6.4). */
export const scopeName = z
  .string()
  .regex(/^[!#-\x5B\x5D-~]{1,256}$/, 'A scope has neither spaces nor letters beyond ASCII.')

/** What a scope lets do, for people: those of presets are described already. */
export const DescribedScope = z.strictObject({
  name: scopeName,
  text: z.string().min(1).max(200),
  risk: z.enum(['low', 'medium', 'high']),
})

/** What a token may do: scopes, in the words of its upstream. */
export const OauthRights = z.strictObject({
  scopes: z.array(scopeName).min(1).max(100).describe('What it may do, by the names that its API gives'),
})
export type OauthRights = z.infer<typeof OauthRights>

type Known = Preset['scopes']['known']

/** Each scope with what it lets do where that is known. What nobody described may do anything. */
export const describe = ({ scopes }: OauthRights, known: Known = []): RightLine[] =>
  scopes.map((name) => {
    const described = known.find((scope) => scope.name === name)
    return described ? { text: `${name}: ${described.text}`, risk: described.risk } : { text: name, risk: 'medium' }
  })

export const summary = ({ scopes }: OauthRights): string[] =>
  scopes.length > 3 ? [...scopes.slice(0, 3), `${scopes.length - 3} more`] : scopes

export const narrows = (asked: OauthRights, limit: OauthRights): boolean =>
  asked.scopes.every((scope) => limit.scopes.includes(scope))

export const missing = (asked: OauthRights, granted: OauthRights): string[] =>
  asked.scopes.filter((scope) => !granted.scopes.includes(scope))
