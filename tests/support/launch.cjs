// Runs a bundled program with what V8 has compiled of it before, where that is kept: compiling takes longer than most of
// these processes live. At SIGUSR2 it keeps what is compiled by now for the next.
const { readFileSync, renameSync, writeFileSync } = require('node:fs')
const Module = require('node:module')
const { dirname } = require('node:path')
const { Script } = require('node:vm')

const filename = process.argv[2]
const kept = `${filename}.compiled`
const script = new Script(Module.wrap(readFileSync(filename, 'latin1')), { filename, cachedData: compiled() })
process.on('SIGUSR2', () => {
  // Whole or not at all: others start meanwhile.
  writeFileSync(`${kept}.${process.pid}`, script.createCachedData())
  renameSync(`${kept}.${process.pid}`, kept)
})
const program = { exports: {} }
script.runInThisContext()(program.exports, require, program, filename, dirname(filename))

function compiled() {
  try {
    return readFileSync(kept)
  } catch {
    return undefined
  }
}
