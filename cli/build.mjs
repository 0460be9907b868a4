// Bundles the command: what it starts with is one small file, and what only some commands need is loaded by them.
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { build } from 'esbuild'

const here = import.meta.dirname

/** Writes the command's files to a folder; nothing has to be installed beside them. */
export async function buildCommand(outdir = join(here, 'dist'), more = {}) {
  const { version } = JSON.parse(await readFile(join(here, 'package.json'), 'utf8'))
  const { outputFiles, metafile } = await build({
    entryPoints: { valetkey: 'src/main.ts', ...more },
    absWorkingDir: here,
    outdir,
    bundle: true,
    splitting: true,
    minify: true,
    // Names in a stack are all that a report of a mistake has.
    keepNames: true,
    platform: 'node',
    target: 'node20.19',
    format: 'esm',
    legalComments: 'linked',
    metafile: true,
    write: false,
    define: { VALETKEY_VERSION: JSON.stringify(version) },
    // Parts that are CommonJS ask for Node's own modules by require.
    banner: {
      js: 'import{createRequire as __createRequire}from"node:module";const require=__createRequire(import.meta.url);',
    },
    logLevel: 'warning',
  })
  await mkdir(outdir, { recursive: true })
  // Each in one step, and the first one last: the command may be started meanwhile.
  const entry = join(outdir, 'valetkey.js')
  for (const { path, contents } of outputFiles.toSorted(
    (a, b) => Number(a.path === entry) - Number(b.path === entry),
  )) {
    const beside = `${path}.${process.pid}`
    await writeFile(beside, contents, { mode: path === entry ? 0o755 : 0o644 })
    await rename(beside, path)
  }
  const licences = 'third-party-licences.txt'
  await writeFile(join(outdir, licences), await licencesOf(Object.keys(metafile.inputs)))
  const present = new Set([licences, ...outputFiles.map(({ path }) => basename(path))])
  for (const name of await readdir(outdir))
    if (!present.has(name)) await rm(join(outdir, name), { recursive: true, force: true })
  return metafile
}

/** What the packages in it ask to be shown with every copy. */
async function licencesOf(inputs) {
  const folders = new Set(inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []))
  const texts = await Promise.all(
    [...folders].sort().map(async (folder) => {
      const { name, version, license } = JSON.parse(await readFile(join(here, folder, 'package.json'), 'utf8'))
      const file = (await readdir(join(here, folder))).find((one) => /^licen[cs]e/i.test(one))
      return `${name} ${version}: ${license}\n\n${file ? await readFile(join(here, folder, file), 'utf8') : ''}`
    }),
  )
  return texts.join(`\n${'-'.repeat(80)}\n\n`)
}

if (process.argv[1] === import.meta.filename) await buildCommand()
