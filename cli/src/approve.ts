import { readAccounts } from './accounts.ts'
import { sendToBrowser } from './browser.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { findPlace } from './place.ts'

/** Opens the console where its person answers what a program asks for. Nothing is decided here. @throws Failure */
export async function approve(cli: Cli, what: string | undefined): Promise<void> {
  const place = await findPlace(cli)
  // A folder that somebody else wrote may be linked to a server of theirs: it is told no code, unless somebody is signed in there.
  if (!place.isSaid && !Object.values((await readAccounts(cli)).accounts).some(({ server }) => server === place.server))
    throw new Failure('signed_out', `${place.from} names ${place.server}, and nobody is signed in there.`, {
      next: `If you trust that server, name it: --server ${place.server}`,
    })
  const url = `${place.server}${pageOf(place.server, what)}`
  const opened = await sendToBrowser(cli, url)
  cli.out.answer({ url, opened }, () => {})
}

/** The page of a server that is about it. @throws Failure usage */
function pageOf(server: string, what: string | undefined): string {
  if (what === undefined) return '/approve'
  const url = /^https?:/i.test(what) && URL.canParse(what) ? new URL(what) : undefined
  if (url && url.origin !== server)
    throw new Failure('usage', `${what} is not of ${server}.`, {
      code: 'other_server',
      next: `If you trust that server, name it: --server ${url.origin}`,
    })
  const named = url?.searchParams.get('user_code') ?? url?.pathname.replace(/^\/connect\//, '') ?? what
  if (/^lrq_[0-9a-f]{32}$/.test(named)) return `/connect/${named}`
  const code = named.replace(/[\s\p{Pd}]/gu, '').toUpperCase()
  // Whether it is filled in there is for the server to say.
  if (/^[A-Z0-9]{8}$/.test(code)) return `/device?user_code=${code.slice(0, 4)}-${code.slice(4)}`
  throw new Failure('usage', `${JSON.stringify(what)} is neither the code of a device nor a request.`, {
    next: 'See what waits for you: valetkey approve',
  })
}
