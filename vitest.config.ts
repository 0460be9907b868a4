import { basename, resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The longest, in this order: begun last they would end a run alone, on one core. */
const longest = [
  ...['fuzz', 'death', 'properties', 'torture', 'cut-off', 'oauth-fuzz', 'keys', 'cli-kill'],
  ...['scope-matrix', 'matrix', 'fuzz-schemas', 'growth', 'authserver-fuzz', 'mcp-messages', 'database-kill'],
  ...['cli-helpers', 'cli-login', 'cli-tokens', 'mcp-conformance-client', 'mcp-conformance', 'cli-exec', 'cli-proxy'],
  ...['rotation', 'freezes', 'trusted-issuers', 'authority', 'proxy-streams', 'exchange', 'isolation', 'origins'],
]

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.indexOf(basename(moduleId, '.test.ts'))
      return at < 0 ? longest.length : at
    }
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b))
  }
}

const shared = {
  environment: 'node',
  setupFiles: ['tests/support/setup.ts'],
  restoreMocks: true,
  // A condition that comes late on a busy machine has come; one that never comes fails all the same.
  expect: { poll: { timeout: 10_000 } },
  // One process runs many files: it loads the product once, as the product's own process does, whose state is all in a
  // Context. A file that changes a module puts it back.
  isolate: false,
}

/** With a Postgres of the run's own. */
const withDatabase = {
  ...shared,
  globalSetup: ['tests/support/cluster.ts'],
  testTimeout: 20_000,
  hookTimeout: 30_000,
  // Prisma's query compiler is WebAssembly: to optimise it takes longer than that saves here.
  execArgv: ['--liftoff-only'],
}

export default defineConfig({
  resolve: { alias: { '@': resolve(import.meta.dirname) } },
  test: {
    // What a module became is kept between runs, by its path and content: `npm run check` alone begins a dozen.
    experimental: {
      fsModuleCache: true,
      fsModuleCachePath: resolve(import.meta.dirname, '.data/vitest'),
    },
    // All cores: a file that waits for Postgres leaves its core to another.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
    projects: [
      { extends: true, test: { ...shared, name: 'unit', include: ['tests/unit/**/*.test.{ts,tsx}'] } },
      {
        extends: true,
        test: { ...withDatabase, name: 'integration', include: ['tests/integration/**/*.test.ts'] },
      },
      // Processes for most tests: the command, terminals, conformance programs. On a busy machine each is slow to start.
      {
        extends: true,
        test: { ...withDatabase, name: 'programs', include: ['tests/programs/**/*.test.ts'], testTimeout: 60_000 },
      },
      // Thousands of cases, or processes that are killed again and again: what a developer need not wait for.
      { extends: true, test: { ...withDatabase, name: 'long', include: ['tests/long/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          ...withDatabase,
          name: 'keycloak',
          include: ['tests/keycloak/**/*.test.ts'],
          globalSetup: ['tests/support/cluster.ts', 'tests/support/keycloak-setup.ts'],
          testTimeout: 60_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
})
