import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { LockedError, withLock } from '../../cli/src/lock.ts'

let scratch: string
let folder: string
let script: string
beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'valetkey-lock-'))
  script = join(scratch, 'holder.mjs')
  const contents = `import { readFile, writeFile } from 'node:fs/promises'
    import { withLock } from './cli/src/lock.ts'
    const [, , folder, act, count] = process.argv
    const { signal } = new AbortController()
    if (act === 'hold') await withLock(folder, { signal }, async () => {
      console.log('held')
      await new Promise((resolve) => setTimeout(resolve, 60_000))
    })
    else for (let n = 0; n < Number(count); n += 1) await withLock(folder, { signal }, async () => {
      const before = Number(await readFile(act, 'utf8'))
      await new Promise((resolve) => setImmediate(resolve))
      await writeFile(act, String(before + 1))
    })`
  await build({
    stdin: { contents, resolveDir: process.cwd() },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: script,
  })
})
afterAll(() => rm(scratch, { recursive: true, force: true }))
let made = 0
beforeEach(() => {
  made += 1
  folder = join(scratch, `lock-${made}`)
})

const { signal } = new AbortController()
const quickly = { signal, patienceSeconds: 0.2 }

it('K-11 processes that want the same are let in one by one', async () => {
  const counter = join(scratch, 'counter')
  await writeFile(counter, '0')
  const counting = Array.from({ length: 6 }, () =>
    spawn(process.execPath, [script, folder, counter, '50'], { stdio: 'inherit' }),
  )
  expect(await Promise.all(counting.map((child) => once(child, 'exit')))).toEqual(counting.map(() => [0, null]))
  expect(await readFile(counter, 'utf8')).toBe('300')
  // The highest number stays, so that none is given twice.
  expect((await readdir(folder)).filter((name) => /^\d+$/.test(name))).toHaveLength(1)
}, 60_000)

it('K-11 a holder that was killed holds it no longer', async () => {
  const holder = spawn(process.execPath, [script, folder, 'hold'], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  await expect(withLock(folder, quickly, async () => 'mine')).rejects.toThrow(LockedError)
  holder.kill('SIGKILL')
  await once(holder, 'exit')
  expect(await withLock(folder, quickly, async () => 'mine')).toBe('mine')
})

it('a process that was given the number of a killed holder does not hold its lock', async () => {
  await withLock(folder, quickly, async () => {
    const [name = ''] = await readdir(folder)
    const holder = JSON.parse(await readFile(join(folder, name), 'utf8'))
    await writeFile(join(folder, name), JSON.stringify({ ...holder, started: '1' }))
    expect(await withLock(folder, quickly, async () => 'mine')).toBe('mine')
  })
})

it('a holder of another machine is waited for, and then counts as gone', async () => {
  await withLock(folder, quickly, async () => {
    const [name = ''] = await readdir(folder)
    const holder = JSON.parse(await readFile(join(folder, name), 'utf8'))
    await writeFile(join(folder, name), JSON.stringify({ ...holder, place: 'another' }))
    const began = performance.now()
    expect(await withLock(folder, quickly, async () => 'mine')).toBe('mine')
    expect(performance.now() - began).toBeGreaterThan(200)
  })
})

it('what fails while it holds the lock gives it back', async () => {
  await expect(
    withLock(folder, quickly, async () => {
      throw new Error('failed')
    }),
  ).rejects.toThrow('failed')
  expect(await withLock(folder, quickly, async () => 'mine')).toBe('mine')
})
