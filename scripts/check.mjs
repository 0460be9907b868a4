// npm run check: types, lint, format, migrations, unit and integration tests, a few mutations. Before a commit: minutes.
import { report } from './lib/fail.mjs'
import { checkNode, generateClient, installPackages } from './lib/prepare.mjs'
import { stopOnSignals, stopTools } from './lib/processes.mjs'
import { checks, conclude, runStages } from './lib/stages.mjs'

stopOnSignals(stopTools)
try {
  checkNode()
  await installPackages()
  await generateClient()
  conclude(await runStages(checks))
} catch (error) {
  report(error)
  process.exitCode = 1
}
