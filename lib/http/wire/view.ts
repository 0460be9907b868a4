import { z } from 'zod'

type Camel<Name> = Name extends `${infer Head}_${infer Tail}` ? `${Head}${Capitalize<Camel<Tail>>}` : Name

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

/** What came in, under camelCase names. */
export type Named<Value> = Value extends Date
  ? Value
  : Value extends readonly (infer Item)[]
    ? Named<Item>[]
    : Value extends object
      ? { [Name in keyof Value as Camel<Name>]: Named<Value[Name]> }
      : Value

const camel = (name: string) => name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase())

/**
 * Brings views into the form of `schema`: its fields under its names, nothing beside them unless it is open, moments as
 * RFC 3339 in UTC. Compiled once an operation. Whether the values fit, the schema says afterwards.
 */
export const wireOf = (schema: z.ZodType): Walk =>
  walk(
    schema,
    (name) => [camel(name), name],
    (value) => (value instanceof Date ? value.toISOString() : value),
  )

/** Gives what `schema` has parsed the names that the code knows. What people name themselves keeps its name. */
export const namedBy = (schema: z.ZodType): Walk =>
  walk(
    schema,
    (name) => [name, camel(name)],
    (value) => value,
  )

type Walk = (value: unknown) => unknown

/** `names`: a field's name in what is read and in what is made. */
function walk(schema: z.ZodType, names: (field: string) => [from: string, to: string], leaf: Walk): Walk {
  const inner = (one: unknown) => walk(one as z.ZodType, names, leaf)
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return inner(schema.unwrap())
  if (schema instanceof z.ZodArray) {
    const item = inner(schema.element)
    return (value) => (Array.isArray(value) ? value.map(item) : value)
  }
  if (schema instanceof z.ZodObject) {
    const fields = Object.entries(schema.shape).map(([name, field]) => ({ names: names(name), walk: inner(field) }))
    const isOpen = schema.def.catchall instanceof z.ZodUnknown
    return (value) => {
      if (typeof value !== 'object' || value === null) return value
      const given = value as Record<string, unknown>
      const named = fields.flatMap(({ names: [from, to], walk }) =>
        Object.hasOwn(given, from) ? [[to, walk(given[from])]] : [],
      )
      return { ...(isOpen && given), ...Object.fromEntries(named) }
    }
  }
  return leaf
}
