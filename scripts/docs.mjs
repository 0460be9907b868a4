// npm run docs:generate: writes the pages that are made from data, operations, tests and the table of commands. A test fails when one is stale.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiPage } from './api-page.ts'
import { cliPages } from './cli-pages.ts'
import { ROOT } from './lib/prepare.mjs'
import { pages } from './lib/requirements.mjs'
import { gatewayPage } from './mcp-gateway.mjs'

for (const [path, text] of Object.entries({ ...(await pages()), 'docs/api.md': apiPage(), ...cliPages() }))
  await writeFile(join(ROOT, path), text)

const gateway = join(ROOT, 'docs/mcp-gateway.md')
await writeFile(gateway, gatewayPage(await readFile(gateway, 'utf8')))
