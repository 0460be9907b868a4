import type { ChildProcess } from 'node:child_process'

export interface Cluster {
  adminUrl(database?: string): string
  stop(): Promise<void>
}
export function socketFolder(dir: string, port: number): string | undefined
export function ensureCluster(home: { dir: string; password: string }): Promise<void>
export function startCluster(cluster: {
  dir: string
  password: string
  port: number
  logFile: string
  settings?: Record<string, string>
  onSpawn?: (child: ChildProcess, stop: () => Promise<void>) => Promise<void>
}): Promise<Cluster>
