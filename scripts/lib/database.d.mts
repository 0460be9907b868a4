import type { Cluster } from './postgres.mjs'

export interface ThrowAway {
  ownerUrl: string
  appUrl: string
  stop(): Promise<void>
}
export function startThrowAway(settings?: Record<string, string>): Promise<ThrowAway>
export function newPassword(): string
export function bootstrapDatabase(
  cluster: Cluster,
  input: { database: string; ownerPassword: string; appPassword: string },
): Promise<void>
export function urlFor(cluster: Cluster, role: string, password: string, database: string): string
