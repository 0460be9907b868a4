// npm test: everything, from a fresh clone. The last line is "N passed, N failed, N skipped".
import { report } from './lib/fail.mjs'
import { ensureGlewlwyd } from './lib/glewlwyd.mjs'
import { ensureKeycloak } from './lib/keycloak.mjs'
import { ensureNginx } from './lib/nginx.mjs'
import { ensurePgbouncer } from './lib/pgbouncer.mjs'
import { checkNode, generateClient, installPackages } from './lib/prepare.mjs'
import { stopOnSignals, stopTools } from './lib/processes.mjs'
import { step } from './lib/progress.mjs'
import { ensurePythons } from './lib/python.mjs'
import { findSchemathesis } from './lib/schemathesis.mjs'
import {
  build,
  checks,
  conclude,
  contract,
  endToEnd,
  keycloak,
  long,
  programs,
  runStages,
  together,
} from './lib/stages.mjs'
import { ensureTestPrograms } from './lib/test-programs.mjs'

stopOnSignals(stopTools)
try {
  checkNode()
  await installPackages()
  await generateClient()
  const [sources, ...tests] = checks
  // Each waits for somebody else's network; the first checks need none of them.
  const fetching = Promise.all([ensureKeycloak(), findSchemathesis(), ensurePythons(), ensurePackages()])
  fetching.catch(() => {})
  const first = await runStages([sources])
  const [noKeycloak, schemathesis] = await fetching
  const later = [keycloak(noKeycloak), contract(schemathesis)]
  conclude(together(first, await runStages([...tests, programs, long, build, later, await browserStage()])))
} catch (error) {
  report(error)
  conclude({ passed: 0, failed: 1, skipped: 0 })
}

/** One after the other: apt holds a lock. */
async function ensurePackages() {
  await ensurePgbouncer()
  await ensureGlewlwyd()
  await ensureNginx()
  await ensureTestPrograms()
}

/** The end-to-end part. Without a browser it is a part that fails, not one that is left out. */
async function browserStage() {
  const { findBrowser } = await import('./lib/browser.mjs')
  try {
    const path = await step('Finding a browser', () => findBrowser())
    console.log(`  ${path}`)
    return endToEnd(path)
  } catch (error) {
    return { name: 'e2e', work: () => Promise.reject(error), count: () => Promise.reject(error) }
  }
}
