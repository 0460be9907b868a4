export type Installed = { program: string; modules: string; tables: string; sqlite: string }
export function findGlewlwyd(): Promise<Installed | undefined>
export function ensureGlewlwyd(): Promise<void>
