import { jsonPicker } from './json.tsx'
import { keboolaPicker } from './keboola.tsx'
import { keycloakPicker } from './keycloak.tsx'
import { mcpPicker } from './mcp.tsx'
import { oauthPicker } from './oauth.tsx'
import { ownPicker } from './own.tsx'
import type { Picker } from './picker.ts'

/** Pickers by the name of the kind, one line each. */
const pickers: Partial<Record<string, Picker>> = {
  keboola: keboolaPicker,
  keycloak: keycloakPicker,
  mcp: mcpPicker,
  oauth: oauthPicker,
  own: ownPicker,
}

/** A kind without a picker of its own is asked for its rights as JSON. */
export const pickerFor = (kind: string): Picker => pickers[kind] ?? jsonPicker
