// npm run coverage:requirements [-- --all]: which requirement has a test that passed in the last run. --all also lists ids
// that tests carry beyond tests/requirements.json.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure, report } from './lib/fail.mjs'
import { ROOT } from './lib/prepare.mjs'
import { passedByPlaywright, passedByVitest } from './lib/reports.mjs'
import { RESULTS_DIR } from './lib/stages.mjs'

const PREFIX = /^((?:[A-Z]{1,2}-\d{2}[ ,]*)+):/

/** The ids a title starts with: "K-15 K-23: relinking …" carries two. */
const idsOf = (title) => title.match(PREFIX)?.[1].match(/[A-Z]{1,2}-\d{2}/g) ?? []

async function passedTests() {
  const sources = { unit: passedByVitest, integration: passedByVitest, e2e: passedByPlaywright }
  const found = await Promise.all(
    Object.entries(sources).map(async ([name, read]) => {
      const text = await readFile(join(RESULTS_DIR, `${name}.json`), 'utf8').catch(() => undefined)
      if (text === undefined) console.log(`(no results of ${name})`)
      return text === undefined ? [] : read(JSON.parse(text)).map((titles) => ({ name, titles }))
    }),
  )
  return found.flat()
}

async function main(all) {
  const required = JSON.parse(await readFile(join(ROOT, 'tests/requirements.json'), 'utf8'))
  const tests = await passedTests()
  if (tests.length === 0) throw new Failure('There are no results yet. Run npm test first.')
  const covered = new Map()
  for (const { name, titles } of tests)
    for (const id of new Set(titles.flatMap(idsOf)))
      covered.set(id, [...(covered.get(id) ?? []), `${name}: ${titles.at(-1)}`])
  const beyond = all ? [...covered.keys()].filter((id) => !required.includes(id)).sort() : []
  for (const id of [...required, ...beyond])
    for (const [index, test] of (covered.get(id) ?? []).entries())
      console.log(`${(index === 0 ? id : '').padEnd(6)} ${test}`)
  const without = required.filter((id) => !covered.has(id))
  console.log(`\n${required.length - without.length} of ${required.length} requirements have a passing test.`)
  if (without.length > 0) console.log(`Without one: ${without.join(' ')}`)
}

main(process.argv.includes('--all')).catch((error) => {
  report(error)
  process.exitCode = 1
})
