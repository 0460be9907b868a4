export function findPgbouncer(env?: Record<string, string | undefined>): Promise<string | undefined>
export function ensurePgbouncer(): Promise<void>
