// Mutations: recorded guards, each with the change that takes it out and the test that must then fail.
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

const IDS = /^((?:[A-Z]{1,2}-\d{2}[ ,]*)+): /

/**
 * @typedef {{ path: string, before: string[], after: string[], lead: number, trail: number }} Hunk lines without their
 *   signs; `lead` and `trail` count the outer lines that are context and may be left out
 * @typedef {{ name: string, area: string, ids: string[], guard: string, file: string, title: string, hunks: Hunk[] }} Mutation
 */

/**
 * Reads one mutation: a line with ids and guard, a line with the test (`file > title`), then a diff. Of a diff only the
 * paths and the lines count, never their numbers, so `git diff` can be pasted and a guard that has moved is still found.
 * @returns {Mutation}
 */
export function parseMutation(name, text) {
  const [guard = '', test = '', ...diff] = text.trimEnd().split('\n')
  const [file, title] = test.split(/ > (.*)/s)
  const hunks = []
  let path = ''
  for (const line of diff) {
    if (/^(diff --git|index|\+\+\+) /.test(line)) continue
    if (line.startsWith('--- ')) path = line.slice(4).replace(/^a\//, '')
    if (line.startsWith('--- ') || line.startsWith('@@')) hunks.push({ path, signed: [] })
    else hunks.at(-1)?.signed.push(line === '' ? ' ' : line)
  }
  const made = hunks.filter(({ signed }) => signed.length > 0).map(({ path, signed }) => toHunk(path, signed))
  if (!title || made.length === 0) throw new Error(`${name}: a line "IDS: guard", a line "file > title", then a diff`)
  const ids = guard.match(IDS)?.[1].match(/[A-Z]{1,2}-\d{2}/g) ?? []
  return { name, area: name.split('/')[0], ids, guard: guard.replace(IDS, ''), file, title, hunks: made }
}

function toHunk(path, signed) {
  const changed = signed.map((line) => line[0] !== ' ')
  const lines = (sign) => signed.filter((line) => line[0] !== sign).map((line) => line.slice(1))
  const trail = signed.length - 1 - changed.lastIndexOf(true)
  return { path, before: lines('+'), after: lines('-'), lead: changed.indexOf(true), trail }
}

/**
 * The text with a hunk applied; undefined unless its lines are there exactly once. Indentation does not count. Outer lines
 * of context that are not there any more are left out.
 */
export function applyHunk(text, hunk) {
  const lines = text.split('\n')
  const place = placeOf(lines, hunk)
  return place && [...lines.slice(0, place.at), ...place.after, ...lines.slice(place.at + place.count)].join('\n')
}

/** Where the lines of a hunk begin, how many they are, and what comes in their place. */
function placeOf(lines, { before, after, lead, trail }) {
  const plain = lines.map((line) => line.trim())
  for (let less = 0; less <= Math.max(lead, trail); less += 1) {
    const [head, tail] = [Math.min(less, lead), Math.min(less, trail)]
    const cut = (part) => part.slice(head, part.length - tail)
    const wanted = cut(before).map((line) => line.trim())
    if (wanted.length === 0) return undefined
    const places = plain.flatMap((_, at) => (wanted.every((line, index) => plain[at + index] === line) ? [at] : []))
    if (places.length > 1) return undefined
    if (places.length === 1) return { at: places[0], count: wanted.length, after: cut(after) }
  }
  return undefined
}

/** The function of SQL in whose text a line is, by its name and arguments; undefined for what is in none. */
function functionAt(lines, at) {
  const begin = lines.slice(0, at + 1).findLastIndex((line) => functionHead.test(line))
  const isOver = lines.slice(begin, at).some((line) => /^(END;|END \$\$;|\$\$;)$/.test(line))
  return begin < 0 || isOver ? undefined : headOf(lines.slice(begin, begin + 12).join(' '))
}
const functionHead = /^CREATE (OR REPLACE )?FUNCTION /
/** Arguments of another number or type make another function, names and line breaks do not. */
const headOf = (text) => {
  const [, name, given = ''] = /FUNCTION ([\w.]+)\((.*?)\) +(?:RETURNS|LANGUAGE)/.exec(text.replace(/\s+/g, ' ')) ?? []
  const types = given.split(',').map((one) => one.trim().split(' ').slice(1).join(' '))
  return name && `${name}(${types.join(', ')})`
}

/**
 * What the files of a tree become. `prisma/migrations` stands for the newest migration that has the lines: the text that
 * is in force, so of a function that a later one replaced or dropped they are not there any more.
 * @param {Mutation} mutation
 * @param {string} root
 * @returns {Promise<{ changed: Map<string, string>, problem?: string, moved?: [from: string, to: string] }>} path below
 *   `root` -> new text; `moved`: where the lines of a file that do not apply are now
 */
export async function applyMutation({ name, hunks }, root) {
  const changed = new Map()
  for (const hunk of hunks) {
    const paths = hunk.path.endsWith('migrations') ? (await filesIn(root, hunk.path)).reverse() : [hunk.path]
    const done = await firstThatFits(hunk, paths, root, changed)
    if (done) changed.set(...done)
    else {
      const to = await whereabouts(hunk, root)
      const where = to ? `its lines are in ${to} now: --follow` : `its lines are not, or not once, in ${hunk.path}`
      return {
        changed,
        problem: `The guard moved: update tests/mutations/${name} (${where}).`,
        moved: to && [hunk.path, to],
      }
    }
  }
  return { changed }
}

async function firstThatFits(hunk, paths, root, changed) {
  const replaced = new Set()
  for (const path of paths) {
    const text = changed.get(path) ?? (await readFile(join(root, path), 'utf8').catch(() => undefined))
    if (text === undefined) continue
    const lines = text.split('\n')
    const place = placeOf(lines, hunk)
    if (place && !replaced.has(functionAt(lines, place.at) ?? path)) return [path, applyHunk(text, hunk)]
    for (const [at, line] of lines.entries()) if (functionHead.test(line)) replaced.add(functionAt(lines, at))
    for (const [, dropped] of text.matchAll(/^DROP FUNCTION (.*);$/gm)) replaced.add(dropped)
  }
}

/** The file in which the lines of a hunk are now, if there is one. */
async function whereabouts(hunk, root) {
  const files = (await Promise.all(['lib', 'app', 'scripts'].map((folder) => filesIn(root, folder)))).flat()
  return (await firstThatFits(hunk, [...files, 'server.ts'], root, new Map()))?.[0]
}

/** Paths of all files below a folder, sorted. */
export async function filesIn(root, folder) {
  const entries = await readdir(join(root, folder), { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .sort()
}

/** @returns {Promise<Mutation[]>} all of them, by name */
export async function readMutations(root) {
  const folder = join(root, 'tests/mutations')
  const names = (await filesIn(folder, '.')).filter((name) => name.endsWith('.patch'))
  return Promise.all(names.map(async (name) => parseMutation(name, await readFile(join(folder, name), 'utf8'))))
}
