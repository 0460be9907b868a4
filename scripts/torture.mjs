// npm run torture [-- repetitions [rotations per process]]: kills app processes at every moment of a rotation and prints the
// table. 50 processes a moment and kind of upstream unless told otherwise.
import { report } from './lib/fail.mjs'
import { generateClient, installPackages, nodeTool, ROOT, toolEnv } from './lib/prepare.mjs'
import { runTool, stopOnSignals, stopTools } from './lib/processes.mjs'

const [repetitions = '50', perProcess = '1'] = process.argv.slice(2)
stopOnSignals(stopTools)
try {
  await installPackages()
  await generateClient()
  const env = {
    ...toolEnv(),
    NODE_ENV: 'test',
    NO_COLOR: '1',
    FORCE_COLOR: undefined,
    TORTURE_REPETITIONS: repetitions,
    TORTURE_PER_PROCESS: perProcess,
  }
  const test = [
    'tests/long/torture.test.ts',
    'tests/long/programs-kill.test.ts',
    '--project=long',
    '--disableConsoleIntercept=true',
  ]
  await runTool(nodeTool('vitest', 'run', ...test), {
    cwd: ROOT,
    env,
    onOutput: (chunk) => process.stdout.write(chunk),
  })
} catch (error) {
  report(error)
  process.exitCode = 1
}
