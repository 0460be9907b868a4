export function applyMigrations(url: string, migrationsDir?: string): Promise<string[]>
