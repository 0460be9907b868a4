import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { applyHunk, applyMutation, type Hunk, parseMutation, readMutations } from '../../scripts/lib/mutations.mjs'

const root = resolve(import.meta.dirname, '../..')

it('every recorded mutation still applies, and names a test file that is there', async () => {
  const mutations = await readMutations(root)
  expect(mutations.length).toBeGreaterThan(100)
  const applied = await Promise.all(mutations.map((mutation) => applyMutation(mutation, root)))
  expect(applied.flatMap(({ problem }) => problem ?? [])).toEqual([])
  expect(mutations.filter(({ file }) => !existsSync(join(root, file))).map(({ name }) => name)).toEqual([])
  expect(mutations.filter(({ hunks }) => hunks.some(({ before, after }) => before.join() === after.join()))).toEqual([])
  // They grow by the week, and each reads its file.
}, 30_000)

describe('a mutation', () => {
  const text = `C-02 C-03: the guard
tests/unit/x.test.ts > C-02: a > b
diff --git a/lib/x.ts b/lib/x.ts
index 1..2 100644
--- a/lib/x.ts
+++ b/lib/x.ts
@@ -1,3 +1,2 @@ function x() {
 before()
-guard()
 after()
@@
-two()
+one()
`
  const { hunks, ...rest } = parseMutation('edges/x.patch', text)
  const [first, second] = hunks as [Hunk, Hunk]

  it('reads as two lines and a diff, also one of git’s', () => {
    const test = { file: 'tests/unit/x.test.ts', title: 'C-02: a > b' }
    expect(rest).toEqual({ name: 'edges/x.patch', area: 'edges', ids: ['C-02', 'C-03'], guard: 'the guard', ...test })
    expect(hunks.map(({ path }) => path)).toEqual(['lib/x.ts', 'lib/x.ts'])
    expect(() => parseMutation('edges/y.patch', 'a guard\na file without a title\n--- x\n-a')).toThrow('edges/y.patch')
  })

  it('finds its lines wherever they moved, however they are indented, and without context that is gone', () => {
    expect(applyHunk('x\n  before()\n  guard()\n  after()\n', first)).toBe(
      'x\n before()\n after()\n'.replaceAll(' ', ''),
    )
    expect(applyHunk('other()\nguard()\nanother()\n', first)).toBe('other()\nanother()\n')
    expect(applyHunk('a\n  two()\nb', second)).toBe('a\none()\nb')
  })

  it('does not apply where its lines are gone, or there twice', () => {
    expect(applyHunk('before()\nafter()\n', first)).toBeUndefined()
    expect(applyHunk('two()\ntwo()\n', second)).toBeUndefined()
  })

  it('is of a function’s text in force, not of one that a later migration replaced or dropped', async () => {
    const tree = await mkdtemp(join(tmpdir(), 'valetkey-mutation-'))
    // Where a moved guard is looked for.
    for (const folder of ['lib', 'app', 'scripts']) await mkdir(join(tree, folder))
    const migrate = async (name: string, sql: string) => {
      await mkdir(join(tree, 'prisma/migrations', name), { recursive: true })
      await writeFile(join(tree, 'prisma/migrations', name, 'migration.sql'), sql)
    }
    const made = (type: string, line: string) =>
      `CREATE OR REPLACE FUNCTION vk.x(p_a ${type},\n    p_b int)\n  RETURNS int LANGUAGE plpgsql AS $$\nBEGIN\n  ${line}\nEND $$;\n`
    const mutation = parseMutation('x/y.patch', 'a guard\nx > y\n--- prisma/migrations\n-  guard;\n')
    const changed = async () => [...(await applyMutation(mutation, tree)).changed.keys()]
    await migrate('1', made('text', 'guard;'))
    expect(await changed()).toEqual(['prisma/migrations/1/migration.sql'])
    await migrate('2', made('int', 'other;'))
    expect(await changed()).toEqual(['prisma/migrations/1/migration.sql'])
    await migrate('3', 'DROP FUNCTION vk.x(text, int);\n')
    expect(await changed()).toEqual([])
    await migrate('3', `${made('text', 'other;')}guard;\n`)
    expect(await changed()).toEqual(['prisma/migrations/3/migration.sql'])
    await migrate('3', made('text', 'other;'))
    expect(await changed()).toEqual([])
    await rm(tree, { recursive: true })
  })
})
