import { keboola } from './keboola/index.ts'
import { keycloak } from './keycloak/index.ts'
import type { Kind, RightLine, Strategy, StrategyOffer } from './kind.ts'
import { mcpServer } from './mcp/index.ts'
import { oauthServer } from './oauth/index.ts'
import { ownApis } from './own/index.ts'
import type { Provider, ProviderDeps, ProviderSettings, Rights } from './provider.ts'
import { languageOf, readLimit } from './rules.ts'

/** Every kind by its name, one line each. */
export const kinds: Map<string, Kind> = new Map(
  [keboola, oauthServer, keycloak, mcpServer, ownApis].map((kind): [string, Kind] => [kind.name, kind as Kind]),
)

type Row = { kind: string; settings: unknown }

/** A provider's row as it counts for one of its projects: what an audience says lies over what its provider says. */
export const rowFor = <R extends Row>(row: R, { settings }: { settings: unknown }): R =>
  settings === null ? row : { ...row, settings: { ...(row.settings as object), ...(settings as object) } }

/** `strategy`: the one that makes tokens unless another is asked for; undefined: none can, and the upstream is only linked. */
export type Configured = { kind: Kind; settings: unknown; offers: StrategyOffer[]; strategy: Strategy | undefined }

/** A row's kind with the row's settings read; undefined: the row is misconfigured, and only it. */
export function configured({ kind: name, settings }: Row): Configured | undefined {
  const kind = kinds.get(name)
  const parsed = kind?.settings.safeParse(settings)
  if (!kind || !parsed?.success) return undefined
  const offers = kind.strategies(parsed.data)
  const strategy = offers.find(({ offered }) => offered)?.strategy
  return { kind, settings: parsed.data, offers, strategy }
}

/** The provider that a row describes, its secret opened; undefined: the row is misconfigured. */
export function providerFor(row: Row & ProviderSettings, deps: ProviderDeps): Provider | undefined {
  const found = configured(row)
  return found?.kind.open({ ...row, settings: found.settings }, deps)
}

/** Seconds for which an upstream still answers a refresh token that was used before, where that is known; 0 where not. */
export function refreshGraceSeconds(row: Row): number {
  const found = configured(row)
  return found?.kind.refreshGraceSeconds(found.settings) ?? 0
}

/** Both for people; `summary` is of what was granted, else of what was asked. */
export type RightsView = { asked: RightLine[]; granted: RightLine[] | null; summary: string[] }
export type RightsRead = { asked: Rights; granted: Rights | null; rights: RightsView; notGranted: string[] }

const unreadable: RightLine = { text: 'rights that this version cannot read', risk: 'high' }

/** A token's stored rights for people. What its kind, or nobody here, can read is said and disturbs no other token. */
export function readRights(
  row: Row,
  { strategy, ...stored }: { asked: unknown; granted: unknown; strategy: string },
): RightsRead {
  const found = kinds.get(row.kind)
  const settings = found?.settings.safeParse(row.settings).data
  const kind = found && languageOf(found, strategy, settings)
  const current = (rights: unknown): Rights => {
    if (typeof rights !== 'object' || rights === null || Array.isArray(rights)) return {}
    return kind?.upgrade?.(rights as Rights) ?? (rights as Rights)
  }
  const asked = current(stored.asked)
  const granted = stored.granted === null ? null : current(stored.granted)
  try {
    if (!kind) throw new Error('an unknown kind')
    const rights = {
      asked: kind.describe(asked, settings),
      granted: granted && kind.describe(granted, settings),
      summary: kind.summary(granted ?? asked),
    }
    return { asked, granted, rights, notGranted: granted ? kind.missing(asked, granted) : [] }
  } catch {
    const rights = { asked: [unreadable], granted: granted && [unreadable], summary: [unreadable.text] }
    return { asked, granted, rights, notGranted: [] }
  }
}

/** A limit for people; null: there is none. What allows nothing has no lines. */
export function describeLimit(row: Row, limit: unknown, strategy: string): RightLine[] | null {
  if (limit === null) return null
  const found = kinds.get(row.kind)
  if (!found) return [unreadable]
  const settings = found.settings.safeParse(row.settings).data
  const language = languageOf(found, strategy, settings)
  const read = readLimit(language, limit)
  return read ? language.describe(read, settings) : []
}
