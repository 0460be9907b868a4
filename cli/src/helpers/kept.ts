import { createHash } from 'node:crypto'
import { join } from 'node:path'
import * as z from 'zod/mini'
import { type Account, keyOf, parsed } from '../accounts.ts'
import type { Choice } from '../choice.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { readText, replaceFile } from '../files.ts'
import { issueToken, letGo, wanted } from '../issue/held.ts'
import { readOffer, type Way } from '../issue/offer.ts'
import { withLock } from '../lock.ts'
import type { Session } from '../session.ts'
import { bestVault, type Vault, vaultOf } from '../vaults/index.ts'

/** What is known of a token that is kept, beside its value: nothing secret. */
const Note = z.strictObject({
  server: z.string(),
  tenant: z.string(),
  project: z.string(),
  /** Its id at the server. */
  token: z.string(),
  expires_at: z.string(),
  /** Where its value is: a name of vaults/index.ts. */
  vault: z.string(),
})
type Note = z.infer<typeof Note>
const Notes = z.strictObject({ version: z.literal(1), tokens: z.record(z.string(), Note) })

/** A token whose value some program may have: it is kept for as long as it lives, because the next one asks soon. */
export type Kept = Note & { value: string }

/** What a program is given. */
export type Asked = {
  project: string
  choice?: Choice | undefined
  strategy?: string | undefined
  expires?: string | undefined
  flags?: readonly string[]
  purpose: string
  /** What must be true of how it is made. @throws Failure */
  check?: (way: Way) => void
}

/** What a token must still have to live, in seconds, to be given to anybody. */
const marginSeconds = 30
/** Milliseconds that the server has to say that a token stands; without an answer it counts as standing. */
const patience = 3000

const fileOf = ({ home }: Pick<Cli, 'home'>) => join(home, 'kept-tokens.json')

async function readNotes(cli: Pick<Cli, 'home'>): Promise<Record<string, Note>> {
  const text = await readText(fileOf(cli))
  return text === undefined ? {} : parsed(Notes, text, fileOf(cli)).tokens
}

const changeNotes = (cli: Cli, change: (notes: Record<string, Note>) => void): Promise<void> =>
  withLock(join(cli.home, 'locks/kept-tokens'), cli, async () => {
    const tokens = await readNotes(cli)
    change(tokens)
    await replaceFile(fileOf(cli), `${JSON.stringify({ version: 1, tokens }, null, 2)}\n`)
  })

/** Of who asks and what for. Whoever signs in anew has tokens of their own: those of before ended with the old sign-in. */
function keyFor({ env }: Cli, { server, tenant, account }: Session, { check: _, ...asked }: Asked): string {
  const who = account ? [keyOf(account), account.signed_in_at] : [server, tenant, env.VALETKEY_TOKEN]
  const text = JSON.stringify([who, asked.project, asked.choice, asked.strategy, asked.expires, asked.flags])
  return `token:${createHash('sha256').update(text).digest('hex').slice(0, 40)}`
}

/**
 * A token for a program that asks often: the one of before while it lives and the server does not say that it is over, else a
 * new one. Programs that ask at once get the same. @throws Failure
 */
export async function keptToken(cli: Cli, session: Session, asked: Asked): Promise<Kept> {
  const key = keyFor(cli, session, asked)
  return (
    (await present(cli, session, key)) ??
    withLock(join(cli.home, 'locks', key.slice('token:'.length)), cli, async () => {
      return (await present(cli, session, key)) ?? make(cli, session, asked, key)
    })
  )
}

async function present(cli: Cli, session: Session, key: string): Promise<Kept | undefined> {
  const note = (await readNotes(cli))[key]
  if (!note || Date.parse(note.expires_at) - cli.now().getTime() < marginSeconds * 1000) return undefined
  const value = await vaultOf(cli, note.vault).read(key)
  return value === undefined || (await isOver(session, note)) ? undefined : { ...note, value }
}

async function isOver({ client, tenant }: Session, { token }: Note): Promise<boolean> {
  const { data, response } = await client.GET('/api/v1/tenants/{tenant}/tokens/{token}', {
    params: { path: { tenant, token } },
    signal: AbortSignal.timeout(patience),
  })
  return data ? data.state !== 'live' : response.status === 404
}

async function make(
  cli: Cli,
  session: Session,
  { purpose, check, flags = [], ...asked }: Asked,
  key: string,
): Promise<Kept> {
  const vault = await vaultFor(cli, session.account)
  const wish = await wanted(await readOffer(session, asked.project), { ...asked, flags })
  check?.(wish.way)
  const { id, value, expiresAt } = await issueToken(cli, session, { ...wish, purpose })
  const { server, tenant } = session
  const note = {
    server,
    tenant,
    project: asked.project,
    token: id,
    expires_at: expiresAt.toISOString(),
    vault: vault.name,
  }
  try {
    await forgetEnded(cli)
    // Its note first: what has none would stay in the vault for ever.
    await changeNotes(cli, (notes) => {
      notes[key] = note
    })
    await vault.write(key, value)
  } catch (error) {
    await letGo(session, [id], 'it could not be kept')
    throw error
  }
  return { ...note, value }
}

const vaultFor = (cli: Cli, account: Account | undefined): Promise<Vault> | Vault =>
  account ? vaultOf(cli, account.vault) : bestVault(cli)

/** Revokes what is kept for a program and forgets it. `value`: only where it is this one. @throws Failure */
export async function dropToken(cli: Cli, session: Session, asked: Asked, value?: string): Promise<void> {
  const key = keyFor(cli, session, asked)
  const note = (await readNotes(cli))[key]
  if (!note || (value !== undefined && (await vaultOf(cli, note.vault).read(key)) !== value)) return
  await forget(cli, (_, name) => name === key)
  await letGo(session, [note.token], 'the program gave it back').catch((error: unknown) => {
    if (!(error instanceof Failure) || error.exit !== 'not_found') throw error
  })
}

/** Forgets what is kept of an account: it ends with the sign-in. */
export const forgetTokensOf = (cli: Cli, { server, tenant }: Pick<Account, 'server' | 'tenant'>): Promise<void> =>
  forget(cli, (note) => note.server === server && note.tenant === tenant)

const forgetEnded = (cli: Cli) => forget(cli, ({ expires_at }) => Date.parse(expires_at) < cli.now().getTime())

async function forget(cli: Cli, which: (note: Note, key: string) => boolean): Promise<void> {
  const gone = Object.entries(await readNotes(cli)).filter(([key, note]) => which(note, key))
  if (gone.length === 0) return
  for (const [key, note] of gone) await vaultOf(cli, note.vault).remove(key)
  await changeNotes(cli, (notes) => {
    for (const [key, { token }] of gone) if (notes[key]?.token === token) delete notes[key]
  })
}
