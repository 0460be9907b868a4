import type { PresetView } from '../kind.ts'
import type { Preset } from './preset.ts'
import { type Facts, factsOf, Server } from './settings.ts'
import { offers } from './strategies.ts'
import { endsOf, endsWords, refreshWords } from './words.ts'

/** Presets as people choose among them, by title. */
export const presetViews = (known: ReadonlyMap<string, Preset>): PresetView[] =>
  [...known.values()]
    .map((preset) => toView(preset, factsOf({ preset: preset.name, server: Server.parse(preset.server) }, known)))
    .sort((a, b) => a.title.localeCompare(b.title, 'en'))

function toView(preset: Preset, facts: Facts): PresetView {
  const { name, title, monogram, keywords, scopes, registration, tokens, api, evidence, revocation, server } = preset
  // Its metadata may name a revocation endpoint when a provider is made.
  const ends = !revocation && server.discovery ? 'unknown' : endsOf({ revocation, server: Server.parse(server) })
  return {
    name,
    title,
    place: null,
    monogram,
    keywords,
    variables: preset.variables.map((variable) => ({ ...variable, default: variable.default ?? null })),
    clientAuthentication: preset.client.authentication,
    scopes: {
      always: scopes.always,
      known: scopes.known.map((scope) => ({ ...scope, suggested: scope.suggested ?? false })),
      fixedAtRegistration: scopes.fixedAtRegistration ?? false,
    },
    registration,
    limitedTokens: limitedTokens(facts),
    revocation: { ends, text: ends === 'unknown' ? 'depends on what the server’s metadata offers' : endsWords[ends] },
    refresh: { way: tokens.refresh, text: refreshWords[tokens.refresh] },
    apiBases: api.bases.map(({ name, url }) => ({ name, url })),
    evidence,
    sources: Object.entries(preset.sources).flatMap(([about, read]) =>
      read.map((source) => ({ about, url: source.url, read: source.read, note: source.note ?? null })),
    ),
  }
}

function limitedTokens(facts: Facts): PresetView['limitedTokens'] {
  const [offer] = offers({ senderConstrained: false }, facts).filter(({ strategy }) => strategy === 'narrow')
  const isUnknown = facts.tokens.refresh !== 'none' && facts.narrowing.full_scope_remains === null
  return { answer: offer?.offered ? 'yes' : isUnknown ? 'unknown' : 'no', reason: offer?.reason ?? '' }
}
