#!/usr/bin/env node
// npx valetkey, in a checkout: the command as it stands here, bundled anew when its sources changed.
import { bundleCommand } from './lib/prepare.mjs'

await bundleCommand()
await import('../cli/dist/valetkey.js')
