import { z } from 'zod'

type Camel<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Name

/** What a use case answers where the wire has `Schema`: the same with camelCase names, and moments as dates. */
export type View<Schema> = Schema extends z.ZodISODateTime
  ? Date
  : Schema extends z.ZodNullable<infer Inner>
    ? View<Inner> | null
    : Schema extends z.ZodOptional<infer Inner>
      ? View<Inner> | undefined
      : Schema extends z.ZodArray<infer Item>
        ? readonly View<Item>[]
        : Schema extends z.ZodUnion<infer Options>
          ? View<Options[number]>
          : Schema extends z.ZodObject<infer Shape>
            ? { readonly [Name in keyof Shape & string as Camel<Name>]: View<Shape[Name]> }
            : Schema extends z.ZodUndefined
              ? // biome-ignore lint/suspicious/noConfusingVoidType: what has nothing to answer may end without a return
                void
              : z.input<Schema>

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/**
 * Brings views into the form of `schema`: its fields under its names and nothing beside them, moments as RFC 3339 in UTC.
 * Compiled once an operation. Whether the values fit, the schema says afterwards.
 */
export function wireOf(schema: z.ZodType): (view: unknown) => unknown {
  const within = innerOf(schema)
  return (view) =>
    view instanceof Date ? view.toISOString() : view === null || view === undefined ? view : within(view)
}

function innerOf(schema: z.ZodType): (view: unknown) => unknown {
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional) return wireOf(schema.unwrap() as z.ZodType)
  if (schema instanceof z.ZodArray) {
    const item = wireOf(schema.element as z.ZodType)
    return (view) => (Array.isArray(view) ? view.map(item) : view)
  }
  if (!(schema instanceof z.ZodObject)) return (view) => view
  const fields = Object.entries(schema.shape).map(
    ([name, field]) => [name, camel(name), wireOf(field as z.ZodType)] as const,
  )
  return (view) =>
    Object.fromEntries(fields.map(([name, from, toWire]) => [name, toWire((view as Record<string, unknown>)[from])]))
}
