// The Postgres that comes with the product: how it is reached, and that what a killed one left does not keep it from starting.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, expect, inject, it } from 'vitest'
import { socketFolder } from '../../scripts/lib/postgres.mjs'
import '../support/cluster.ts'
import { type OwnCluster, startOwnCluster } from '../support/own-cluster.ts'

let cluster: OwnCluster
beforeAll(async () => {
  cluster = await startOwnCluster({ isMigrated: false })
}, 60_000)
afterAll(() => cluster.drop())

async function ask(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const { rows } = await client.query(sql).finally(() => client.end())
  return rows[0]?.answer
}

it('is reached by a socket in its own folder, and by its port as well', async () => {
  const url = new URL(cluster.appUrl)
  expect(await ask(url.href, 'SELECT inet_client_addr() IS NULL AS answer')).toBe(true)
  url.searchParams.delete('host')
  expect(await ask(url.href, 'SELECT inet_client_addr() IS NULL AS answer')).toBe(false)
})

it('starts though a killed one left files that name a process which is somebody else’s by now', async () => {
  const folder = new URL(cluster.appUrl).searchParams.get('host') ?? ''
  const lock = join(folder, `.s.PGSQL.${new URL(cluster.appUrl).port}.lock`)
  const pid = join(folder, 'postmaster.pid')
  const [ofSocket, ofCluster] = [await readFile(lock, 'utf8'), await readFile(pid, 'utf8')]
  await cluster.kill()
  // Of the same user: Postgres does not mind what others run.
  const somebody = new pg.Client({ connectionString: inject('database').ownerUrl })
  await somebody.connect()
  try {
    const { rows } = await somebody.query('SELECT pg_backend_pid() AS pid')
    for (const [file, text] of [
      [lock, ofSocket],
      [pid, ofCluster],
    ] as const)
      await writeFile(file, text.replace(/^\d+/, String(rows[0]?.pid)))
    await cluster.start()
    expect(await ask(cluster.appUrl, 'SELECT 1 AS answer')).toBe(1)
  } finally {
    await somebody.end()
  }
}, 60_000)

it('goes by its port alone where a socket could have no name', () => {
  expect(socketFolder('/data', 5432)).toBe('/data')
  expect(socketFolder(`/${'a'.repeat(100)}`, 5432)).toBeUndefined()
  expect(socketFolder('/data, and more', 5432)).toBeUndefined()
})
