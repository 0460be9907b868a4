import type { Fact } from '../kind.ts'
import { facts as factsThere } from '../oauth/facts.ts'
import { factsOf } from '../oauth/settings.ts'
import type { KeycloakSettings } from './settings.ts'

const words = (text: string, note: string | null = null): Fact['lines'][number] => ({
  text,
  form: 'words',
  note,
  attention: false,
})

/** What there is to know about a row of kind `keycloak`, in words. */
export function facts(settings: KeycloakSettings, at: { now: Date; clientKeys: string; logout: string }): Fact[] {
  const { audiences, bases, exchange, delegation, server } = settings
  const code = (text: string, note: string): Fact['lines'][number] => ({ ...words(text, note), form: 'code' })
  const audience = [
    ...bases.flatMap(({ name, audience }) => (audience ? [code(audience, name)] : [])),
    ...audiences.map(({ name, text }) => code(name, text)),
  ]
  const own: Record<string, Fact['lines']> = {
    'Limited tokens': exchange
      ? [words('yes, by strategy exchange', delegation ? 'may name Valetkey as the one who acts' : null)]
      : [words('no', 'this provider does not exchange tokens')],
    'Revoking one token': server.revocation_endpoint
      ? [words('ends that token at the realm', 'an API that checks signatures alone takes it until it expires')]
      : [words('is not possible there: a token is left to expire')],
  }
  const known = factsThere(settings, factsOf(settings), at).map((fact) => ({
    ...fact,
    lines: own[fact.label] ?? fact.lines,
  }))
  return [
    ...known.slice(0, 1),
    ...(audience.length > 0 ? [{ label: 'Audiences', lines: audience }] : []),
    ...known.slice(1),
  ]
}
