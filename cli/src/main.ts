#!/usr/bin/env node
import { homedir } from 'node:os'
import { run } from './run.ts'
import { listenToSignals } from './signals.ts'

const { argv, env, platform, stdin, stdout, stderr } = process
// Whoever reads us may have enough: `valetkey tokens | head -1`.
stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Who hands something over hears of it too, and takes it back.
  if (stdout.listenerCount('error') > 1) return
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

process.exitCode = await run(argv.slice(2), {
  env,
  platform,
  cwd: process.cwd(),
  userHome: homedir(),
  streams: { stdin, stdout, stderr },
  signals: listenToSignals(),
})
