import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodings, makeSearch } from '../support/traces.ts'
import { expect, issue, link, signIn, takeToken, test, upstreamTokens } from './support.ts'

// A project of its own, after all others (playwright.config.ts): everything they did has left its traces by now.
test('this search comes after every other test of the run', () => {
  const { config, project } = test.info()
  const others = config.projects.map(({ name }) => name).filter((name) => name !== project.name)
  expect(others.length).toBeGreaterThan(0)
  expect([...project.dependencies].sort()).toEqual(others.sort())
})

test('V-01 V-08 S-03: no token that the upstream issued in the whole run, and no session cookie, is in any file, in any spelling: tables, write-ahead log, logs', async ({
  page,
}) => {
  await signIn(page, 'owner@globex.test')
  await link(page, 'Globex Supply Chain', 'owner@globex.test')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(page, { purpose: 'traces', read: ['in.c-warehouse'] })
  const { baseUrl } = await takeToken(page)
  const tokens = await upstreamTokens(baseUrl)
  expect(new Set(tokens.map(({ kind }) => kind)).size).toBeGreaterThan(3)
  const cookies = (await page.context().cookies()).filter(({ name }) => name.startsWith('__Host-'))
  expect(cookies.length).toBeGreaterThan(0)

  const folder = process.env.VALETKEY_E2E_DATA ?? ''
  const control = `"/?>&${randomBytes(40).toString('base64')}`
  const planted = plantControls(join(folder, 'controls'), control)
  const search = makeSearch(
    new Map([
      ...tokens.map(({ system, kind, value }) => [value, `${system} ${kind}`] as const),
      ...cookies.map(({ name, value }) => [value, `cookie ${name}`] as const),
      [control, 'control'],
    ]),
  )

  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  expect(files.length).toBeGreaterThan(100)
  const found: string[] = []
  const controls = new Set<string>()
  const known = { person: 0, request: 0 }
  for (const entry of files) {
    const content = readFileSync(join(entry.parentPath, entry.name))
    if (content.includes('owner@globex.test')) known.person += 1
    if (content.includes('"msg":"request"')) known.request += 1
    for (const { name, encoding } of search.in(content))
      if (name === 'control') controls.add(entry.name)
      else found.push(`${name}, ${encoding}, in ${entry.name}`)
  }
  expect(known.person, 'the search reads what the database wrote').toBeGreaterThan(0)
  expect(known.request, 'the search reads what the product logged').toBeGreaterThan(0)
  expect([...controls].sort(), 'the search finds each spelling in a file').toEqual(planted.sort())
  expect(found).toEqual([])
})

/** A made-up secret in a file for each spelling, among other bytes. Answers the files’ names. */
function plantControls(folder: string, secret: string): string[] {
  mkdirSync(folder)
  return Object.entries(encodings).flatMap(([encoding, spell]) =>
    spell(secret).map((text, index) => {
      const name = `${encoding} ${index}`.replaceAll(/\W+/g, '-')
      writeFileSync(join(folder, name), Buffer.concat([randomBytes(50_000), Buffer.from(text), randomBytes(50_000)]))
      return name
    }),
  )
}
