import { join } from 'node:path'
import { tokenOf } from './git.ts'
import { direct, type Found, folderOf, isAt, type Kind, mask } from './kind.ts'

/** `from` and `to`: where it stands in the text. */
type Word = { text: string; from: number; to: number }
type Entry = {
  machine: string | undefined
  login: string | undefined
  password: string | undefined
  from: number
  to: number
  secrets: Word[]
}

/**
 * Words apart by white space (netrc(5) of inetutils); in curl's form a word may be quoted, with backslashes
 * (curl, lib/netrc.c), and a line that begins with # is a comment. A macro goes on to an empty line.
 */
function entriesOf(text: string): Entry[] {
  const words = [...text.matchAll(/^[ \t]*#.*|"((?:[^"\\]|\\.)*)"|[^\s"]\S*/gm)]
    .filter(([whole]) => !/^[ \t]*#/.test(whole))
    .map(({ 0: whole, 1: quoted, index }) => ({
      text: quoted === undefined ? whole : quoted.replace(/\\(.)/g, '$1'),
      from: index,
      to: index + whole.length,
    }))
  const entries: Entry[] = []
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]
    const next = words[at + 1]
    const entry = entries.at(-1)
    if (!word) break
    if (word.text === 'machine' || word.text === 'default') {
      const isNamed = word.text === 'machine'
      if (isNamed) at += 1
      entries.push({
        machine: isNamed ? next?.text : undefined,
        login: undefined,
        password: undefined,
        from: word.from,
        to: (isNamed ? next : word)?.to ?? word.to,
        secrets: [],
      })
    } else if (word.text === 'macdef') {
      const to = word.to + (/\n[ \t]*\r?\n|$/.exec(text.slice(word.to))?.index ?? 0)
      const macro = { text: '', from: next?.to ?? to, to }
      if (entry) entry.to = to
      if (entry) entry.secrets.push(macro)
      else
        entries.push({
          machine: undefined,
          login: undefined,
          password: undefined,
          from: word.from,
          to,
          secrets: [macro],
        })
      while ((words[at + 1]?.from ?? Infinity) < to) at += 1
    } else if (entry && next && ['login', 'user', 'password', 'account'].includes(word.text)) {
      if (word.text === 'login' || word.text === 'user') entry.login = next.text
      else entry.secrets.push(next)
      if (word.text === 'password') entry.password = next.text
      entry.to = next.to
      at += 1
    }
  }
  return entries
}

const nameOf = ({ machine, login }: Entry) => `machine ${machine}${login === undefined ? '' : `, login ${login}`}`

export const netrc: Kind = {
  name: 'netrc',
  title: '.netrc',
  places: ({ env }) => (env.NETRC ? [env.NETRC] : ['.netrc', '_netrc'].map((name) => join(folderOf({ env }), name))),
  isNamed: (file) => /(^|[/\\])[._]?netrc$/.test(file),
  read: (text) =>
    entriesOf(text).flatMap((entry): Found[] => {
      const { machine: host, password } = entry
      if (host === undefined || password === undefined) return []
      return [
        {
          at: nameOf(entry),
          host,
          ...tokenOf(password, host),
          secret: password,
          replacement: {
            match: isAt(host),
            use: (project) => direct(project) ?? helperFor(project.alias, host),
          },
        },
      ]
    }),
  without(text, adopted) {
    const gone = new Set(adopted.map(({ at }) => at))
    let changed = text
    for (const entry of entriesOf(text).reverse()) {
      if (entry.password === undefined || !gone.has(nameOf(entry))) continue
      // With the line, where nothing else is on it.
      const from = /^[ \t]*$/.test(changed.slice(changed.lastIndexOf('\n', entry.from - 1) + 1, entry.from))
        ? changed.lastIndexOf('\n', entry.from - 1) + 1
        : entry.from
      const rest = /^[ \t]*\r?\n/.exec(changed.slice(entry.to))
      changed = changed.slice(0, from) + changed.slice(entry.to + (rest?.[0].length ?? 0))
    }
    return changed
  },
  masked(text) {
    let shown = text
    const secrets = entriesOf(text).flatMap((entry) => entry.secrets)
    for (const { from, to } of secrets.sort((one, other) => other.from - one.from))
      shown = shown.slice(0, from) + shown.slice(from, to).replace(/[^\r\n]+/g, mask) + shown.slice(to)
    return shown.replace(/^([ \t]*#).*/gm, `$1 ${mask}`)
  },
}

/** What a token may do there is somebody's choice, so it is theirs to say. */
const helperFor = (alias: string, host: string): { line: string; git: [string, string][] } => ({
  line: `git asks valetkey; say once what it may do: valetkey credential-helper allow ${host} --project ${alias}`,
  git: [[`credential.https://${host}.helper`, '!valetkey credential-helper git']],
})
