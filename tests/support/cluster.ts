// One Postgres per test run: started before the first test file, removed after the last one, also on Ctrl-C.
import type { TestProject } from 'vitest/node'
import { startThrowAway } from '../../scripts/lib/database.mjs'
import { applyMigrations } from '../../scripts/migrate.mjs'

/** What test files are given: never the administrator, so that no test can look past row-level security. */
export interface TemplateDatabase {
  ownerUrl: string
  appUrl: string
}

declare module 'vitest' {
  export interface ProvidedContext {
    database: TemplateDatabase
  }
}

/** Vitest globalSetup: a migrated template database that test files clone (database.ts). */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  // Of a run among many (scripts/mutations.mjs), which share one.
  const shared = process.env.VALETKEY_TEST_DATABASE
  if (shared) {
    project.provide('database', JSON.parse(shared))
    return async () => {}
  }
  const starting = startThrowAway()
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= starting.then(
      (database) => database.stop(),
      () => undefined,
    )
    return stopped
  }
  for (const [signal, number] of [
    ['SIGHUP', 1],
    ['SIGINT', 2],
    ['SIGTERM', 15],
  ] as const)
    process.once(signal, () => void stop().finally(() => process.exit(128 + number)))
  const { ownerUrl, appUrl } = await starting
  try {
    await applyMigrations(ownerUrl)
  } catch (error) {
    await stop()
    throw error
  }
  project.provide('database', { ownerUrl, appUrl })
  return stop
}
