import { mayBeSet } from '../../../lib/client/index.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { whenWords } from '../tokens.ts'
import { type Asked, asked, type Said } from './ask.ts'
import { type Made, openSteadySession, withToken } from './make.ts'

/** Issues a token and prints it, in the form that was asked for; what else is to be known goes to stderr. */
export async function printToken(
  cli: Cli,
  { format = 'raw', ...said }: Said & { format: string | undefined },
): Promise<void> {
  const session = await openSteadySession(cli)
  const wanted = await asked(cli, session, said, 'token')
  // Before anything is made that could not be used.
  if (cli.out.json || format === 'json' || format === 'env') environmentOf(wanted.way, '')
  if (cli.out.json || format !== 'raw') oneLine(wanted.way.header)
  await withToken(cli, session, wanted, async (made) => {
    const text = shape[cli.out.json ? 'json' : (format as keyof typeof shape)](wanted, made)
    tellAbout(cli, made)
    await cli.out.deliver(`${text}\n`)
  })
}

const quoted = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`

const shape = {
  raw: (_: Asked, { value }: Made) => value,
  header: ({ way }: Asked, { value }: Made) => oneLine(way.header.replaceAll('{token}', () => value)),
  env: ({ way }: Asked, { value }: Made) =>
    Object.entries(environmentOf(way, value))
      .map(([name, text]) => `export ${name}=${quoted(text)}`)
      .join('\n'),
  json: ({ way }: Asked, { value, token, token_type, base_url }: Made) =>
    JSON.stringify(
      {
        value,
        token_type,
        base_url,
        environment: environmentOf(way, value),
        id: token.id,
        fingerprint: token.fingerprint,
        project: token.project.alias,
        strategy: token.strategy,
        purpose: token.purpose,
        granted: token.granted,
        not_granted: token.not_granted,
        expires_at: token.expires_at,
        revoke_at: token.revoke_at,
      },
      null,
      2,
    ),
}

/** Two lines would be two headers. */
function oneLine(text: string): string {
  if (/[\r\n]/.test(text)) throw new Failure('strange', 'The header that the server names is none.')
  return text
}

/** What a program is told of a token. Names come from a server: one that decides what code runs is not taken. @throws Failure */
export function environmentOf({ environment: { token, values } }: Asked['way'], value: string): Record<string, string> {
  const all = { ...values, ...Object.fromEntries(token.map((name) => [name, value])) }
  const wrong = Object.entries(all).find(([name, text]) => !mayBeSet(name) || text.includes('\0'))
  if (wrong)
    throw new Failure('strange', `The server names a variable that may not be set for a program: ${wrong[0]}`, {
      code: 'unsafe_variable',
      next: 'Use --format raw, and ask who runs the server.',
    })
  return all
}

/** Said beside the token, where it cannot be missed: when it ends, and what it cannot do (K-22). */
export function tellAbout({ out, now }: Cli, { token }: Made): void {
  if (out.json) return
  const end = token.revoke_at ?? token.expires_at
  out.note(`${token.project.alias}: `, token.rights.granted?.map(({ text }) => text).join(', ') || 'nothing', {
    text: `  ends ${whenWords(new Date(end), now())}, fingerprint ${token.fingerprint ?? token.id}`,
    style: 'dim',
  })
  if (token.not_granted.length > 0) out.note({ text: 'Not granted: ', style: 'yellow' }, token.not_granted.join(', '))
}
