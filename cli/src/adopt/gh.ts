import { join } from 'node:path'
import { Failure } from '../failure.ts'
import { tokenOf } from './git.ts'
import { direct, type Found, folderOf, isAt, type Kind, mask } from './kind.ts'

/** A line of the file that gh writes; `token` only where it is one. */
type Line = { host: string; user: string | undefined; key: string; value: string | undefined }

const shape = /^( *)("[^"]*"|(?:[^\s:#"]|:(?=\S))+):(?: +(\S.*?))?\s*$/

/**
 * cli/cli, internal/config/migration/multi_account.go shows the file: hosts, below each its settings with `oauth_token`, and
 * the same again below `users`. Only the block style that gh writes is taken. Undefined: a comment, or nothing.
 */
function linesOf(text: string): (Line | undefined)[] {
  const path: { indent: number; key: string }[] = []
  return text.split('\n').map((line) => {
    if (/^\s*(#.*)?$/.test(line)) return undefined
    const [whole, indent = '', key = '', value] = shape.exec(line) ?? []
    if (whole === undefined || (value !== undefined && /^[&*!|>{[]/.test(value)))
      throw new Failure('failed', 'This is not as gh writes it.', {
        code: 'unknown_format',
        next: 'Nothing was changed.',
      })
    while ((path.at(-1)?.indent ?? -1) >= indent.length) path.pop()
    path.push({ indent: indent.length, key: plainOf(key) })
    const [host, section, user] = path.map((each) => each.key)
    return {
      host: host ?? '',
      user: section === 'users' ? user : undefined,
      key: plainOf(key),
      value: value && plainOf(value),
    }
  })
}

const plainOf = (text: string) => text.replace(/^(["'])(.*)\1$/, '$2')
const isToken = (line: Line | undefined): line is Line & { value: string } =>
  line?.key === 'oauth_token' && line.value !== undefined
const nameOf = ({ host, user }: Line) => (user === undefined ? host : `${host}, user ${user}`)
const open = new Set(['user', 'git_protocol', 'editor', 'prompt', 'pager', 'browser', 'version'])

export const gh: Kind = {
  name: 'gh',
  title: 'gh',
  // go-gh, pkg/config: GH_CONFIG_DIR, XDG_CONFIG_HOME/gh, AppData/GitHub CLI, ~/.config/gh.
  places({ env, platform }) {
    if (env.GH_CONFIG_DIR) return [join(env.GH_CONFIG_DIR, 'hosts.yml')]
    if (env.XDG_CONFIG_HOME) return [join(env.XDG_CONFIG_HOME, 'gh/hosts.yml')]
    if (platform === 'win32' && env.APPDATA) return [join(env.APPDATA, 'GitHub CLI/hosts.yml')]
    return [join(folderOf({ env }), '.config/gh/hosts.yml')]
  },
  isNamed: (file) => /(^|[/\\])hosts\.yml$/.test(file),
  read: (text) =>
    linesOf(text)
      .filter(isToken)
      .map((line): Found => {
        const { host, value: secret } = line
        return {
          at: nameOf(line),
          host,
          ...tokenOf(secret, host),
          secret,
          replacement: {
            match: isAt(host),
            // cli.github.com/manual/gh_help_environment: GH_TOKEN for github.com and ghe.com, else GH_ENTERPRISE_TOKEN.
            use: (project) =>
              direct(project) ?? {
                line: /(^|\.)(github\.com|ghe\.com)$/.test(host)
                  ? `valetkey exec ${project.alias}=GH_TOKEN -- gh COMMAND`
                  : `GH_HOST=${host} valetkey exec ${project.alias}=GH_ENTERPRISE_TOKEN -- gh COMMAND`,
              },
          },
        }
      }),
  without(text, adopted) {
    const gone = new Set(adopted.map(({ at }) => at))
    const lines = linesOf(text)
    return text
      .split('\n')
      .filter((_, at) => !(isToken(lines[at]) && gone.has(nameOf(lines[at]))))
      .join('\n')
  },
  masked(text) {
    const lines = linesOf(text)
    return text
      .split('\n')
      .map((line, at) => {
        const { key, value } = lines[at] ?? {}
        if (lines[at] === undefined) return line.replace(/#.*/, `# ${mask}`)
        return value === undefined || (open.has(key ?? '') && !value.includes('#'))
          ? line
          : line.replace(/:.*/, `: ${mask}`)
      })
      .join('\n')
  },
}
