import { expect, test } from 'vitest'
import { bundle, DEMO_SOURCES, SERVER_SOURCES } from '../../scripts/lib/prepare.mjs'

test.each([
  ['server.ts', 'dist/server.mjs', SERVER_SOURCES, 'app/api/health/route.ts'],
  ['demo/main.ts', 'dist/demo.mjs', DEMO_SOURCES, 'demo/main.ts'],
])('an edit of any file that is bundled from %s makes the bundle stale', async (entry, outfile, sources, one) => {
  const inputs = await bundle(entry, outfile, { write: false })
  expect(inputs).toContain(one)
  // The generated client follows the schema and the packages, which are sources.
  const isWatched = (path: string) =>
    path.startsWith('prisma/generated/') || sources.some((source) => path === source || path.startsWith(`${source}/`))
  expect(inputs.filter((path) => !isWatched(path))).toEqual([])
})
