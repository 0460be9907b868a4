// Promises, the requirements behind them (docs/requirements.json), and the tests whose titles carry their ids.
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { ROOT } from './prepare.mjs'

const ID = /[A-Z]{1,3}-\d{2}/g
const LEADING = /^(?:[A-Z]{1,3}-\d{2}[ ,:]+)+/
/** A string whose text begins with ids, wherever it stands: a title, or the row of a table that becomes one. */
const CARRIER = /(['"`])((?:[A-Z]{1,3}-\d{2}[ ,:]+)+)((?:\\.|(?!\1)[^\\])*)\1/gs

/** The ids that a title starts with: "K-15 K-23: a relink …" carries two. */
export const idsOf = (title) => title.match(LEADING)?.[0].match(ID) ?? []

/** @returns {Promise<import('./requirements.mjs').Pledge[]>} */
export async function readPromises() {
  return JSON.parse(await readFile(join(ROOT, 'docs/requirements.json'), 'utf8')).promises
}

export const requirementsOf = (promises) => promises.flatMap(({ requirements = [] }) => requirements)

/** Every title in tests/ that carries an id, read from the files: no test has to run, and the answer is always the same. */
export async function carriers() {
  const entries = await readdir(join(ROOT, 'tests'), { recursive: true, withFileTypes: true })
  const files = entries
    .filter((entry) => entry.isFile() && /\.(test|spec)\.tsx?$/.test(entry.name))
    .map((entry) => relative(join(ROOT, 'tests'), join(entry.parentPath, entry.name)))
    .sort()
  const found = await Promise.all(
    files.map(async (file) =>
      [...(await readFile(join(ROOT, 'tests', file), 'utf8')).matchAll(CARRIER)].map(([, , ids, title]) => ({
        file,
        ids: ids.match(ID),
        title: title.replace(/\\(.)/g, '$1'),
      })),
    ),
  )
  return found.flat()
}

const plain = (text) => text.replace(/[\\`*_{}<>[\]|]/g, '\\$&')
const nameOf = (file) => file.replace(/\.(test|spec)\.tsx?$/, '')
const linkTo = (file) => `[${nameOf(file)}](../tests/${file})`
const unique = (list) => [...new Set(list)]

/** The pages that are made from the data and the tests, by path. */
export async function pages() {
  const [promises, tests] = [await readPromises(), await carriers()]
  const carrying = (id) => tests.filter(({ ids }) => ids.includes(id))
  return { 'docs/guarantees.md': guarantees(promises, carrying), 'docs/requirements.md': table(promises, carrying) }
}

const note =
  'This page is made by `npm run docs:generate` from [requirements.json](requirements.json) and the titles of the tests.'

/** The first sentence is the heading, what follows is text below it. */
const heading = (promise) => promise.replace(/\. ?(.*)$/, (_, rest) => (rest ? `\n\n${rest}` : ''))

const guarantees = (promises, carrying) => `# Guarantees

What Valetkey promises, the requirements behind each promise, and the tests that hold it. \`%s\` stands for the cases of a table; in
brackets the file below \`tests/\`.
To see whether they pass: \`npm test\`, then \`npm run coverage:requirements\`.
${note}
${promises
  .map(
    ({ promise, tests = [], requirements = [] }) => `
## ${heading(promise)}
${tests.length > 0 ? `\nTests of the whole: ${tests.map(linkTo).join(', ')}.\n` : ''}${requirements
  .map(
    ({ id, text }) => `
**${id}** ${text}

${carrying(id)
  .map(({ file, title }) => `- ${plain(title)} (${nameOf(file)})`)
  .join('\n')}
`,
  )
  .join('')}`,
  )
  .join('')}`

const table = (promises, carrying) => `# Requirements

Each requirement in our own words, where it comes from, and the test files that carry its id in a title. Field bugs name the
project in which others met the problem. The tests themselves are listed in [guarantees.md](guarantees.md).
${note}

| id | requirement | source | tests |
|---|---|---|---|
${requirementsOf(promises)
  .sort((one, other) => (one.id < other.id ? -1 : 1))
  .map(({ id, text, source }) => {
    const files = unique(carrying(id).map(({ file }) => linkTo(file)))
    return `| ${id} | ${plain(text)} | ${plain(source)} | ${files.join(', ')} |`
  })
  .join('\n')}
`
