// npm run keys -- status                          which keys there are, what is under them, whether they are right
// npm run keys -- add KID                         embedded database: a new instance key, first in the stored list
// npm run keys -- rotate                          wraps every data key with the first instance key, ends begun rotations
// npm run keys -- rotate --data [--tenant SLUG]   new data keys as well, and everything re-sealed under them
// npm run keys -- retire KID                      an instance key that wraps nothing is asked for no more
// npm run keys -- shred SLUG --yes                destroys a tenant's keys, and with them its secrets
// npm run keys -- signing SLUG [--rotate | --back]  the keys that sign a tenant's tokens for its own APIs; publishes the next,
//                                                 or takes the newest back
// npm run keys -- secret [--accept]               whether VALETKEY_SECRET is the known one; takes another on purpose
//
// Runs beside running instances, as valetkey_app, with the environment of the server; without DATABASE_URL on what
// `npm start` stores in the data folder.
import { randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { z } from 'zod'
import { ConfigError, parseConfig } from '../lib/config.ts'
import { type Context, createContext } from '../lib/context.ts'
import { isBrokerError } from '../lib/errors.ts'
import { tenantBySlug, tenantIds } from '../lib/store/lookups.ts'
import { acceptSecret, isSecretKnown } from '../lib/vault/keys.ts'
import {
  publishMilliseconds,
  retireInstanceKey,
  rewrapTenantKeys,
  rotateTenantKeys,
  settleMilliseconds,
  settleTenantKeys,
  type Unreadable,
} from '../lib/vault/rotate.ts'
import { shredPreview, shredTenant } from '../lib/vault/shred.ts'
import { rollBackSigningKey, rotateSigningKey, signingKeyList } from '../lib/vault/signing.ts'
import { keyStatus } from '../lib/vault/status.ts'
import { Failure, report } from './lib/fail.mjs'
import { ROOT } from './lib/prepare.mjs'

const usage = `npm run keys -- status | add KID | rotate [--data [--tenant SLUG]] | retire KID | shred SLUG --yes | signing SLUG [--rotate | --back] | secret [--accept]`

/** What scripts/lib/instance.mjs stores, as far as it is needed here. */
const Instance = z.looseObject({
  keys: z.string(),
  secret: z.string(),
  postgres: z.looseObject({ port: z.number().optional(), appPassword: z.string() }),
})

const instanceFile = () => join(resolve(ROOT, process.env.VALETKEY_DATA_DIR || '.data'), 'instance.json')

async function readInstance(): Promise<z.infer<typeof Instance>> {
  const text = await readFile(instanceFile(), 'utf8').catch(() => undefined)
  if (text === undefined)
    throw new Failure(`There is no database yet: npm start creates one (${instanceFile()}), or set DATABASE_URL.`)
  return Instance.parse(JSON.parse(text))
}

/** The environment of the server; on the embedded database as npm start makes it, sign-in left out: nobody signs in here. */
async function environment(): Promise<Record<string, string | undefined>> {
  const quiet = { VALETKEY_LOG: 'error', ...process.env }
  if (process.env.DATABASE_URL) return quiet
  const { keys, secret, postgres } = await readInstance()
  return {
    VALETKEY_URL: 'http://localhost',
    VALETKEY_SIGNIN_ISSUER: 'http://localhost',
    VALETKEY_SIGNIN_CLIENT_ID: '-',
    VALETKEY_SIGNIN_CLIENT_SECRET: '-',
    ...quiet,
    DATABASE_URL: `postgres://valetkey_app:${postgres.appPassword}@127.0.0.1:${postgres.port}/valetkey`,
    VALETKEY_KEYS: keys,
    VALETKEY_SECRET: secret,
    VALETKEY_EMBEDDED: '1',
    VALETKEY_DEMO: '0',
  }
}

/** Puts a new key first in the stored list of the embedded set-up. The next start registers it. */
async function add(id: string): Promise<void> {
  if (process.env.DATABASE_URL)
    throw new Failure(
      `Put the new key into VALETKEY_KEYS yourself: ${id}:<openssl rand -base64 32 | tr '+/' '-_' | tr -d '='>. First put it last and restart every instance. Then move it to the front and restart again.`,
    )
  const instance = await readInstance()
  const keys = `${id}:${randomBytes(32).toString('base64url')},${instance.keys}`
  parseConfig({ ...(await environment()), VALETKEY_KEYS: keys })
  const file = instanceFile()
  await writeFile(`${file}.new`, `${JSON.stringify({ ...instance, keys }, null, 2)}\n`, { mode: 0o600 })
  await rename(`${file}.new`, file)
  console.log(`Added "${id}". Restart npm start, then: npm run keys -- rotate`)
}

/** Rows in columns as wide as their widest cell. */
function table(head: string[], rows: (string | number | bigint)[][]): string {
  const lines = [head, ...rows.map((row) => row.map(String))]
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  return lines
    .map((line) => `  ${line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')}`.trimEnd())
    .join('\n')
}

async function status(ctx: Context): Promise<void> {
  const { instanceKeys, places, dataKeys } = await keyStatus(ctx)
  const older = dataKeys.filter(({ state }) => state === 'older').length
  console.log(`Instance keys
${table(
  ['id', 'state', 'data keys', 'canary'],
  instanceKeys.map(({ id, state, wraps, canary }) => [id, state, wraps, canary]),
)}

Sealed values, all tenants
${table(
  ['where', 'current key', 'older key', 'no known key'],
  places.map(({ place, current, older, unknown }) => [place, current, older, unknown]),
)}

Data keys (limit 2^32 seals; replaced automatically at 2^30)
${table(
  ['tenant', 'id', 'state', 'wrapped with', 'stored values', 'seals'],
  dataKeys.map(({ tenant, id, state, wrappedWith, values, seals }) => [tenant, id, state, wrappedWith, values, seals]),
)}`)
  if (older > 0)
    console.log(
      `\nOlder data keys are deleted once nothing uses them and ${settleMilliseconds / 60_000} minutes have passed: by the server, or by npm run keys -- rotate`,
    )
}

async function rotate(ctx: Context, { data, tenant }: { data: boolean; tenant?: string | undefined }): Promise<void> {
  const tenants = tenant === undefined ? await tenantIds(ctx) : [await requireTenant(ctx, tenant)]
  const { rewrapped, unreadable } = await rewrapTenantKeys(ctx)
  console.log(`Rewrapped: ${rewrapped} data keys.`)
  const broken = [...unreadable]
  if (data) {
    const rotation = await rotateTenantKeys(ctx, tenants, (published) => {
      console.log(`New data keys: ${published} of ${tenants.length} tenants.`)
      if (published < tenants.length) console.log('The others have no key, or one that is less than five minutes old.')
      if (published > 0)
        console.log(`They are used in ${publishMilliseconds / 1000} s, when every instance knows them …`)
    })
    broken.push(...rotation.unreadable)
    console.log(`Resealed: ${rotation.resealed} values (${rotation.overtaken} were written in the meantime).`)
  } else {
    let resealed = 0
    for (const tenantId of tenants) {
      const settled = await settleTenantKeys(ctx, tenantId)
      resealed += settled.resealed
      broken.push(...settled.unreadable)
    }
    console.log(`Resealed: ${resealed} values.`)
  }
  if (broken.length > 0) tellBroken(broken)
}

function tellBroken(broken: Unreadable[]): void {
  const shown = broken.slice(0, 20).map(({ tenantId, place, row }) => [tenantId, place, row])
  console.error(
    `\n${broken.length} values cannot be opened and were not changed:\n${table(['tenant', 'where', 'row'], shown)}${broken.length > 20 ? '\n  …' : ''}`,
  )
  process.exitCode = 1
}

async function retire(ctx: Context, id: string): Promise<void> {
  const retirement = await retireInstanceKey(ctx, id)
  if (retirement.kind === 'refused') throw new Failure(`Not retired. ${retirement.why}`)
  console.log(
    `"${id}" ${retirement.kind === 'already' ? 'was already retired' : 'is retired'}: remove it from VALETKEY_KEYS of every instance. Keep a copy as long as you keep backups: those from before the rotation need it.`,
  )
}

async function shred(ctx: Context, slug: string, yes: boolean): Promise<void> {
  const tenantId = await requireTenant(ctx, slug)
  const { grants, tokens } = await shredPreview(ctx, tenantId)
  if (!yes)
    throw new Failure(
      `Nothing was done. "${slug}" holds ${grants} grants and ${tokens} live tokens. Shredding does not revoke them upstream, and afterwards nobody can. Revoke them first. Then run: npm run keys -- shred ${slug} --yes`,
    )
  const { keys, values } = await shredTenant(ctx, tenantId)
  console.log(`Destroyed ${keys} data keys of "${slug}" and emptied ${values} sealed values. Not affected:
  - Other instances may keep the opened keys for another minute; refreshes are refused everywhere from now on.
  - Dead rows: run VACUUM tenant_key; as valetkey_owner. WAL and its archive: until recycled.
  - Backups: anyone with a backup and an instance key can open it. To prevent that, retire and destroy that instance key.
  - The upstream: ${grants} grants and ${tokens} tokens keep working there until they expire.`)
}

async function signing(
  ctx: Context,
  slug: string,
  { rotate, back }: { rotate: boolean; back: boolean },
): Promise<void> {
  const tenantId = await requireTenant(ctx, slug)
  if (rotate) {
    const rotation = await rotateSigningKey(ctx, tenantId)
    if (rotation.kind === 'none') throw new Failure(`"${slug}" has no key that signs: add its own APIs first.`)
    const already = rotation.kind === 'waiting' ? 'was already published' : 'is published'
    console.log(`The next key ${already}, and signs from ${rotation.signsFrom.toISOString()}: ${rotation.key}\n`)
  }
  if (back) {
    const done = await rollBackSigningKey(ctx, tenantId)
    if (!done) throw new Failure('Nothing was done: there is no earlier key that verifiers still know.')
    console.log(`Withdrawn: ${done.withdrawn}. What it signed is verified until it expires.\n`)
  }
  const keys = await signingKeyList(ctx, tenantId)
  console.log(`Signing keys of "${slug}"
${table(
  ['id', 'state', 'signs from'],
  keys.map(({ id, state, signsFrom }) => [id, state, signsFrom.toISOString()]),
)}`)
}

async function secret(ctx: Context, accept: boolean): Promise<void> {
  const isKnown = await isSecretKnown(ctx)
  if (isKnown) return console.log('VALETKEY_SECRET matches this database.')
  if (!accept)
    throw new Failure(
      isKnown === undefined
        ? 'This database has no VALETKEY_SECRET yet. The next start registers it.'
        : 'VALETKEY_SECRET is not the one this database was first started with. Nothing was changed. With a new one, sign-ins in progress fail, and issued tokens no longer match their fingerprints. To accept it: npm run keys -- secret --accept',
    )
  await acceptSecret(ctx)
  console.log('Accepted. Restart every instance with this VALETKEY_SECRET; with the old one they no longer start.')
}

async function requireTenant(ctx: Context, slug: string): Promise<string> {
  const id = await tenantBySlug(ctx, slug)
  if (!id) throw new Failure(`There is no tenant "${slug}".`)
  return id
}

async function main(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      data: { type: 'boolean', default: false },
      tenant: { type: 'string' },
      yes: { type: 'boolean', default: false },
      accept: { type: 'boolean', default: false },
      rotate: { type: 'boolean', default: false },
      back: { type: 'boolean', default: false },
    },
  })
  const [command = '', name, ...rest] = positionals
  const wants = { status: false, rotate: false, add: true, retire: true, shred: true, signing: true, secret: false }[
    command
  ]
  if (
    wants === undefined ||
    wants !== (name !== undefined) ||
    rest.length > 0 ||
    (values.tenant && !values.data) ||
    (values.accept && command !== 'secret') ||
    ((values.rotate || values.back) && command !== 'signing') ||
    (values.rotate && values.back)
  )
    throw new Failure(`Use: ${usage}`)
  if (command === 'add') return add(name ?? '')
  const ctx = await createContext(parseConfig(await environment()))
  try {
    if (command === 'status') await status(ctx)
    else if (command === 'rotate') await rotate(ctx, values)
    else if (command === 'retire') await retire(ctx, name ?? '')
    else if (command === 'secret') await secret(ctx, values.accept)
    else if (command === 'signing') await signing(ctx, name ?? '', values)
    else await shred(ctx, name ?? '', values.yes)
  } finally {
    await ctx.close()
  }
}

main().catch((error: unknown) => {
  if (isBrokerError(error, 'unavailable'))
    report(new Failure('The database does not answer. Start it (npm start, in another terminal) and run this again.'))
  else if (error instanceof ConfigError) report(new Failure(error.problems.join('\n')))
  else if (isBrokerError(error)) report(new Failure(error.message))
  else if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
    report(new Failure(`${error.message}\nUse: ${usage}`))
  else report(error)
  process.exitCode = 1
})
