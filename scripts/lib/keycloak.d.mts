export type Build = 'standard' | 'legacy'
export type Installed = { version: string; java: string; folder: string }
export function findKeycloak(): Promise<Installed | undefined>
export function ensureKeycloak(): Promise<string | undefined>
