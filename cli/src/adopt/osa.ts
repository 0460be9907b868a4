import { join } from 'node:path'
import * as z from 'zod/mini'
import { maskedJson, parseFile } from './json.ts'
import { direct, folderOf, isAt, type Kind } from './kind.ts'

// opensciencearchive/server, sdk/py/osa/cli/credentials.py: a pair of tokens for each address of a server.
const Credentials = z.record(
  z.string(),
  z.looseObject({ access_token: z.string(), refresh_token: z.optional(z.string()) }),
)
const credentialsOf = (text: string) => parseFile(text, (value) => Credentials.safeParse(value).data, 'osa')

export const osa: Kind = {
  name: 'osa',
  title: 'osa',
  places: ({ env }) => [join(folderOf({ env }), '.config/osa/credentials.json')],
  isNamed: (file) => /(^|[/\\])credentials\.json$/.test(file),
  read: (text) =>
    Object.entries(credentialsOf(text)).flatMap(([server, tokens]) => {
      if (!URL.canParse(server)) return []
      const { host } = new URL(server)
      return {
        at: server,
        host,
        what: `a sign-in: an access token${ended(tokens.access_token)}${tokens.refresh_token ? ', and a refresh token that brings new ones for days' : ''}; both may do everything that the person may`,
        upstream: 'end it by "osa logout" before it is gone from here, or let it run out',
        secret: tokens.refresh_token ?? tokens.access_token,
        replacement: {
          match: isAt(host),
          use: (project) => direct(project) ?? { line: `valetkey exec ${project.alias}=OSA_TOKEN -- osa COMMAND` },
        },
      }
    }),
  without(text, adopted) {
    const wanted = credentialsOf(text)
    for (const { at } of adopted) delete wanted[at]
    return `${JSON.stringify(wanted, null, 2)}${text.endsWith('\n') ? '\n' : ''}`
  },
  masked: (text) => maskedJson(text, new Set()),
}

/** What the token says of itself; it is not checked, because nothing depends on it. */
function ended(token: string): string {
  try {
    const claims = z
      .object({ exp: z.number() })
      .safeParse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')))
    return claims.success ? ` until ${new Date(claims.data.exp * 1000).toISOString()}` : ''
  } catch {
    return ''
  }
}
