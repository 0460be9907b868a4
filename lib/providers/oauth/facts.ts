import { type Fact, throughUs } from '../kind.ts'
import type { Facts, Narrowing, OauthSettings } from './settings.ts'
import { certificatesIn } from './setup.ts'
import { offers } from './strategies.ts'
import { authenticationWords, endsOf, endsWords } from './words.ts'

type Line = Fact['lines'][number]
const line = (text: string, more: Partial<Line> = {}): Line => ({
  text,
  form: 'words',
  note: null,
  attention: false,
  ...more,
})

/** When somebody should see to a new certificate. */
const soonMilliseconds = 30 * 24 * 3600_000

/** What there is to know about a row of kind `oauth`, in words. */
export function facts(
  settings: OauthSettings,
  known: Facts,
  at: { now: Date; clientKeys: string; logout: string },
): Fact[] {
  const { bases, authentication, scopes, certificates, senderConstrained } = settings
  const texts = new Map(known.scopes.known.map(({ name, text }) => [name, text]))
  const narrow = offers(settings, known).find(({ strategy }) => strategy === 'narrow')
  const list: Fact[] = [
    { label: 'API', lines: bases.map(({ name, url }) => line(url, { form: 'code', note: name })) },
    {
      label: 'Client proves itself by',
      lines: [
        line(authenticationWords[authentication]),
        ...(authentication === 'private_key_jwt'
          ? [line(at.clientKeys, { form: 'copy', note: 'register this address of its keys at the upstream' })]
          : []),
      ],
    },
    {
      label: 'Scopes asked',
      lines: known.scopes.fixedAtRegistration
        ? [line('none: they are chosen where the client is registered')]
        : scopes.length === 0
          ? [line('none: what the upstream gives by default')]
          : scopes.map((name) => line(name, { form: 'code', note: texts.get(name) ?? null })),
    },
    {
      label: 'Limited tokens',
      lines: [line(narrow?.offered ? 'yes, by strategy narrow' : 'no', { note: narrow?.reason ?? null })],
    },
    throughUs(known.api.methodsCarryMeaning),
    { label: 'Revoking a connection', lines: [line(endsWords[endsOf(settings)])] },
    { label: 'Revoking one token', lines: [line(oneTokenWords(known.narrowing))] },
  ]
  if (settings.server.jwks_uri)
    list.push({
      label: 'Signing out at the upstream',
      lines: [
        line(at.logout, {
          form: 'copy',
          note: 'register it there as the back-channel logout URL: connections without offline access then end at once with the session they were linked in',
        }),
      ],
    })
  if (senderConstrained)
    list.push({ label: 'Tokens bound to a key', lines: [line('yes (DPoP): only Valetkey can use or renew them')] })
  if (certificates)
    list.push({ label: 'CA certificates', lines: certificatesIn(certificates).map((one) => certificate(one, at.now)) })
  return list
}

function oneTokenWords({ revoke_keeps_grant: keeps }: Narrowing): string {
  if (keeps) return 'ends that token alone'
  return keeps === false
    ? 'is not done there, because it ends the connection: a token is left to expire'
    : 'is not done there, because it may end the connection: a token is left to expire'
}

function certificate({ subject, expiresAt }: { subject: string; expiresAt: Date }, now: Date): Line {
  const left = expiresAt.getTime() - now.getTime()
  const day = expiresAt.toISOString().slice(0, 10)
  const note = left <= 0 ? `expired on ${day}` : `expires on ${day}`
  return line(subject, { form: 'code', note, attention: left < soonMilliseconds })
}
