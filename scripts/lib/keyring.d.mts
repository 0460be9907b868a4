export function hasKeyring(env?: Record<string, string | undefined>): Promise<boolean>
export function ensureKeyring(): Promise<void>
