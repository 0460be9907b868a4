import { z } from 'zod'
import type { PresetView } from '../kind.ts'
import file from './stacks.json' with { type: 'json' }

const text = z.string().min(1).max(200)
/** The stacks that anybody may have a project on. Any other host is entered by its address. */
const Stacks = z.strictObject({
  sources: z.array(z.strictObject({ url: z.url({ protocol: /^https$/ }), read: z.iso.date(), note: text })).min(1),
  stacks: z.array(
    z.strictObject({
      name: z.string().regex(/^[a-z-]{3,40}$/),
      region: text,
      cloud: z.enum(['AWS', 'Azure', 'GCP']),
      host: z.string().regex(/^connection(\.[a-z0-9-]+)+\.com$/),
      keywords: z.array(text),
    }),
  ),
})

export const { sources, stacks } = Stacks.parse(file)

/** The stacks as people choose among them. What the OAuth server of each lets us do is the same: they run one product. */
export const stackViews: PresetView[] = stacks.map(({ name, region, cloud, host, keywords }) => ({
  name,
  title: `Keboola, ${region} (${cloud})`,
  place: host,
  monogram: 'Kb',
  keywords: ['keboola', 'connection', 'stack', 'storage', region, cloud, host, ...keywords],
  variables: [],
  clientAuthentication: 'post',
  scopes: { always: [], known: [], fixedAtRegistration: true },
  registration: {
    page: 'https://help.keboola.com/management/support/',
    where: 'a client is registered by Keboola’s support, for this stack alone. Ask for one with this redirect URI.',
    redirectField: 'redirect URI',
    fields: [
      { there: 'client id', here: 'client_id' },
      { there: 'client secret', here: 'client_secret' },
    ],
    notes: [
      'Ask for a confidential client, with the grants authorization code and refresh token.',
      'A client that is public, or is for addresses of your own computer alone, needs what the manual says: docs/keboola.md.',
    ],
  },
  limitedTokens: { answer: 'yes', reason: 'Its Storage API creates tokens with rights and an end of their own.' },
  revocation: { ends: 'token', text: 'each token by itself; the grant has no revocation endpoint' },
  refresh: { way: 'rotates', text: 'each renewal replaces the refresh token, which lives about a month unused' },
  apiBases: [{ name: 'Storage API', url: `https://${host}` }],
  evidence: 'read',
  sources: sources.map((source) => ({ about: 'host', ...source })),
}))
