export function hasKeyring(env?: Record<string, string | undefined>): Promise<boolean>
export function ensureTestPrograms(): Promise<void>
