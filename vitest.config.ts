import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

const shared = { environment: 'node', setupFiles: ['tests/support/setup.ts'], restoreMocks: true }

export default defineConfig({
  resolve: { alias: { '@': resolve(import.meta.dirname) } },
  test: {
    // All cores: a file that waits for Postgres leaves its core to another.
    maxWorkers: '100%',
    projects: [
      { extends: true, test: { ...shared, name: 'unit', include: ['tests/unit/**/*.test.{ts,tsx}'] } },
      {
        extends: true,
        test: {
          ...shared,
          name: 'integration',
          include: ['tests/integration/**/*.test.ts'],
          globalSetup: ['tests/support/cluster.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
    ],
  },
})
