// Loaded before the command (node --import): somebody else changes the file CHANGES just before the command would put its own in place.
import { appendFileSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const { realpath } = fs
let calls = 0
fs.realpath = async (path, ...more) => {
  // Once as it is read, once more before it is replaced.
  calls += path === process.env.CHANGES ? 1 : 0
  if (calls === 2) {
    calls += 1
    appendFileSync(path, '\n')
  }
  return realpath(path, ...more)
}
syncBuiltinESMExports()
