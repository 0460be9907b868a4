import type { ClientBase } from 'pg'

export type FunctionFile = { name: string; sql: string }
export type CatalogueRow = { signature: string; name: string; definition: string; owner: string; acl: string[] }
export function readFunctions(dir?: string): Promise<FunctionFile[]>
export function readCatalogue(client: ClientBase): Promise<CatalogueRow[]>
export function changedFunctions(url: string, options?: { dir?: string; script?: string }): Promise<FunctionFile[]>
