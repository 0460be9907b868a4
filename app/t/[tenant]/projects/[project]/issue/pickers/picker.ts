import type { ReactNode } from 'react'
import type { Rights } from '@/lib/providers/provider.ts'

/** What the upstream offers to choose from, as the kind of the provider answers it. */
export type Choices = Record<string, unknown>

/** JSON Schema of an object. */
export type Schema = Record<string, unknown>

export type PickProps<R extends Rights, C extends Choices> = {
  choices: C
  /** JSON Schema of the rights that can be asked for. */
  schema: Schema
  value: R
  onChange(rights: R): void
  place: { tenant: string; project: string }
  /** Reads the choices once more. */
  onReload(): void
}

/** How a person chooses the rights of one kind. */
export type Picker<R extends Rights = Rights, C extends Choices = Choices> = {
  none: R
  isEmpty(rights: R): boolean
  /** Why no right can be chosen, whatever is asked. */
  refusal?(choices: C, schema: Schema): string | null
  /** Rights of an earlier token that can still be chosen. */
  stillThere(rights: R, choices: C, schema: Schema): R
  Pick(props: PickProps<R, C>): ReactNode
}
