export function findNginx(env?: Record<string, string | undefined>): Promise<string | undefined>
export function ensureNginx(): Promise<void>
