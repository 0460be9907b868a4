export type Hunk = { path: string; before: string[]; after: string[]; lead: number; trail: number }
export type Mutation = {
  name: string
  area: string
  ids: string[]
  guard: string
  file: string
  title: string
  hunks: Hunk[]
}
export function parseMutation(name: string, text: string): Mutation
export function applyHunk(text: string, hunk: Hunk): string | undefined
export function applyMutation(
  mutation: Mutation,
  root: string,
): Promise<{ changed: Map<string, string>; problem?: string; moved?: [from: string, to: string] }>
export function readMutations(root: string): Promise<Mutation[]>
