export function applyMigrations(url: string, migrationsDir?: string): Promise<string[]>
export function diffMigrations(url: string): Promise<{ same: boolean; summary: string }>
