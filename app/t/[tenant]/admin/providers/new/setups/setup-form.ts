import type { ReactNode } from 'react'
import type { ProviderPreview } from '@/lib/broker/providers.ts'
import type { PresetView } from '@/lib/providers/kind.ts'
import type { Preview } from '../found.tsx'

/** A way to name a server that no preset knows. */
export type Way = { id: string; title: string; text: string; monogram: string; keywords: string[] }

export type SetupProps<S extends object> = {
  value: S
  onChange(value: S): void
  preset: PresetView | null
  /** What is wrong with a field, by its name on the wire, or with a part of it. */
  faultOf(field: string): string | undefined
  /** What the last look found; null: there was none. */
  found: Preview | null
}

/** What one kind asks for a new provider beside its name and client. */
export type SetupForm<S extends object = object> = {
  ways: Way[]
  /** The empty form of a preset, or of a way. */
  start(preset: PresetView | null, way: string): S
  /** As it stands on the wire. */
  setupOf(value: S, preset: PresetView | null): Record<string, unknown>
  /** The part of it on which the redirect URI stands: another one needs another check. */
  placeOf(value: S): unknown
  /** Whether nothing has to be entered before a look. */
  needsNothing(preset: PresetView | null): boolean
  /** Whether a secret is entered, after what was found and what the form says. */
  secretOf(value: S, found: ProviderPreview['clientAuthentication']): ProviderPreview['clientAuthentication']
  /** The client is asked for in this form, where it is asked for at all. */
  ownsClient?: boolean
  /** Fields at which the form shows what is wrong with them. */
  fields: readonly string[]
  /** Those of them that are folded away. */
  folded: readonly string[]
  /** Where the server is. */
  Where(props: SetupProps<S>): ReactNode
  /** What is asked of people there. */
  Scopes(props: SetupProps<S>): ReactNode
  /** What few need. */
  Advanced(props: SetupProps<S>): ReactNode
}
