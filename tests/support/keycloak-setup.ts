// One Keycloak per test run: started before the first test file, stopped after the last one.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { type Address, makeTls, startKeycloak, type Tls } from './keycloak-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    keycloak: Address & { tls: Tls }
  }
}

/** Vitest globalSetup: the server, and trust in its certificate for every process from here on. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'valetkey-tls-'))
  const tls = await makeTls(folder)
  // Node reads it when a process starts: those of the tests do, this one did before.
  process.env.NODE_EXTRA_CA_CERTS = tls.cert
  const remove = () => rm(folder, { recursive: true, force: true })
  const server = await startKeycloak({ name: 'server', tls }).catch(async (error: unknown) => {
    await remove()
    throw error
  })
  const { origin, adminPassword } = server
  project.provide('keycloak', { origin, adminPassword, tls })
  return async () => {
    await server.stop()
    await remove()
  }
}
