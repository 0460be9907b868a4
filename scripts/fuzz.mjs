// npm run fuzz [-- --cases 10000] [--only <part of "METHOD /path">] [--seed <n>]: sends every operation of the API, and every
// endpoint of the authorization server, so many cases of what it describes, and prints how each was answered. Hours at length.
import { parseArgs } from 'node:util'
import { report } from './lib/fail.mjs'
import { generateClient, installPackages, nodeTool, ROOT, toolEnv } from './lib/prepare.mjs'
import { runTool, stopOnSignals, stopTools } from './lib/processes.mjs'

stopOnSignals(stopTools)
try {
  const options = { cases: { type: 'string', default: '10000' }, only: { type: 'string' }, seed: { type: 'string' } }
  const { cases, only, seed } = parseArgs({ options }).values
  await installPackages()
  await generateClient()
  const env = {
    ...toolEnv(),
    NODE_ENV: 'test',
    NO_COLOR: '1',
    FORCE_COLOR: undefined,
    VALETKEY_FUZZ_CASES: cases,
    ...(seed && { VALETKEY_FUZZ_SEED: seed }),
  }
  const test = [
    'tests/long/fuzz-schemas.test.ts',
    'tests/long/authserver-fuzz.test.ts',
    '--project=long',
    '--disableConsoleIntercept=true',
    ...(only ? ['-t', only.replaceAll(/[{}().*?]/g, '\\$&')] : []),
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
