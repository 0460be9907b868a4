import type { Fact } from '../kind.ts'
import type { KeboolaSettings } from './settings.ts'

const words = (label: string, text: string, note: string | null = null): Fact => ({
  label,
  lines: [{ text, form: 'words', note, attention: false }],
})
const code = (label: string, ...texts: string[]): Fact => ({
  label,
  lines: texts.map((text) => ({ text, form: 'code', note: null, attention: false })),
})

/** What sets a stack apart from another one, for who oversees the tenant. */
export const facts = ({ authorizePath, tokenPath, scope, league }: KeboolaSettings): Fact[] => [
  code('Sign-in and token path', authorizePath, tokenPath),
  scope === undefined ? words('Scope', 'none sent', 'the stack gives its default') : code('Scope', scope),
  words('OAuth server', league === undefined ? 'League 8 or 9' : `League ${league}`),
]
