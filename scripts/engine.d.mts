import type { MigrationList, SchemaEngine, SchemaFilter } from '@prisma/schema-engine-wasm'

export const NO_FILTER: SchemaFilter
export function readMigrations(): Promise<MigrationList>
export function withEngine<T>(url: string, work: (engine: SchemaEngine) => Promise<T>): Promise<T>
