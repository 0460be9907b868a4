// Loaded before the command (node --import): kills its process at the DIES_AT-th step of what it does to files and to the network,
// counted from 1; each step has a moment before and one after it.
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

let left = Number(process.env.DIES_AT)
const moment = () => {
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGKILL')
}
const between =
  (act) =>
  async (...given) => {
    moment()
    const done = await act(...given)
    moment()
    return done
  }
for (const name of ['link', 'rename', 'rm', 'truncate', 'writeFile', 'open']) fs[name] = between(fs[name])
syncBuiltinESMExports()
globalThis.fetch = between(globalThis.fetch)
