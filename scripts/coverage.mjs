// npm run coverage:requirements: which requirement of docs/requirements.json has a test that passed in the last run.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, report } from './lib/fail.mjs'
import { passedByPlaywright, passedByVitest } from './lib/reports.mjs'
import { idsOf, readPromises, requirementsOf } from './lib/requirements.mjs'
import { RESULTS_DIR } from './lib/stages.mjs'

async function passedTests() {
  const sources = {
    unit: passedByVitest,
    integration: passedByVitest,
    programs: passedByVitest,
    long: passedByVitest,
    keycloak: passedByVitest,
    e2e: passedByPlaywright,
  }
  const found = await Promise.all(
    Object.entries(sources).map(async ([name, read]) => {
      const text = await readFile(join(RESULTS_DIR, `${name}.json`), 'utf8').catch(() => undefined)
      if (text === undefined) console.log(`(no results of ${name})`)
      return text === undefined ? [] : read(JSON.parse(text)).map((titles) => ({ name, titles }))
    }),
  )
  return found.flat()
}

async function main() {
  const required = requirementsOf(await readPromises()).map(({ id }) => id)
  const tests = await passedTests()
  if (tests.length === 0) throw new Failure('There are no results yet. Run npm test first.')
  const covered = new Map()
  for (const { name, titles } of tests)
    for (const id of new Set(titles.flatMap(idsOf)))
      covered.set(id, [...(covered.get(id) ?? []), `${name}: ${titles.at(-1)}`])
  for (const id of required)
    for (const [index, test] of (covered.get(id) ?? []).entries())
      console.log(`${(index === 0 ? id : '').padEnd(6)} ${test}`)
  const without = required.filter((id) => !covered.has(id))
  console.log(`\n${required.length - without.length} of ${required.length} requirements have a passing test.`)
  if (without.length > 0) console.log(`Without one: ${without.join(' ')}`)
}

main().catch((error) => {
  report(error)
  process.exitCode = 1
})
