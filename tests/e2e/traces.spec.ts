import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, issue, link, signIn, takeToken, test, upstreamTokens } from './support.ts'

// The last file of the run: everything the tests before it did has left its traces by now.
test('V-01 V-08: no token that the upstream issued in the whole run is in any file: tables, write-ahead log, logs', async ({
  page,
}) => {
  await signIn(page, 'owner@globex.test')
  await link(page, 'Globex Supply Chain', 'owner@globex.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'traces', read: ['in.c-warehouse'] })
  const { baseUrl } = await takeToken(page)
  const tokens = await upstreamTokens(baseUrl)
  expect(new Set(tokens.map(({ kind }) => kind)).size).toBeGreaterThan(3)

  const folder = process.env.VALETKEY_E2E_DATA ?? ''
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(100)
  const found: string[] = []
  let known = 0
  for (const entry of files) {
    const path = join(entry.parentPath, entry.name)
    const text = readFileSync(path).toString('latin1')
    if (text.includes('owner@globex.test')) known += 1
    for (const { kind, system, value } of tokens)
      for (const form of [
        value,
        Buffer.from(value).toString('hex'),
        Buffer.from(value).toString('base64').replace(/=+$/, ''),
      ])
        if (text.includes(form)) found.push(`${system} ${kind} in ${entry.name}`)
  }
  expect(known, 'the search reads what the run wrote').toBeGreaterThan(0)
  expect(found).toEqual([])
})
