/** What is to be filled in in paths of named rules, in their order: `{owner}` is "owner". */
export const placeholdersIn = (paths: readonly string[]): string[] => [
  ...new Set(paths.flatMap((path) => [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name = '']) => name))),
]

/** Paths of named rules with their placeholders filled in, each as one segment: encoded, or `*` for any. */
export const filledPaths = (paths: readonly string[], values: Readonly<Record<string, string>>): string[] =>
  paths.map((path) =>
    path.replaceAll(/\{([a-z_]+)\}/g, (_, name: string) => encodeURIComponent(values[name]?.trim() ?? '')),
  )
