// npm run test:keycloak [-- what vitest takes]: the tests at a real Keycloak, which is installed where it is missing.
import { Failure, report } from './lib/fail.mjs'
import { ensureKeycloak } from './lib/keycloak.mjs'
import { checkNode, generateClient, installPackages, nodeTool, ROOT, toolEnv } from './lib/prepare.mjs'
import { runTool, stopOnSignals, stopTools } from './lib/processes.mjs'

stopOnSignals(stopTools)
try {
  checkNode()
  await installPackages()
  await generateClient()
  const problem = await ensureKeycloak()
  if (problem) throw new Failure(`Keycloak cannot be tested here: ${problem}.`)
  await runTool(nodeTool('vitest', 'run', '--project', 'keycloak', ...process.argv.slice(2)), {
    cwd: ROOT,
    env: { ...toolEnv(), NODE_ENV: 'test', NO_COLOR: '1', FORCE_COLOR: undefined },
    onOutput: (chunk) => process.stdout.write(chunk),
  })
} catch (error) {
  report(error)
  process.exitCode = 1
}
