#!/usr/bin/env node
// docker runs what it calls a helper by a name of its own, with nothing but the operation.
process.argv.splice(2, 0, 'credential-helper', 'docker')
await import('./main.ts')

export {}
