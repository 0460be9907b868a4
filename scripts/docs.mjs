// npm run docs:generate: writes the pages of docs/ that are made from data, operations and tests. A test fails when one is stale.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { apiPage } from './api-page.ts'
import { ROOT } from './lib/prepare.mjs'
import { pages } from './lib/requirements.mjs'

for (const [path, text] of Object.entries({ ...(await pages()), 'docs/api.md': apiPage() }))
  await writeFile(join(ROOT, path), text)
