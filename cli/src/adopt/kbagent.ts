import { dirname, join } from 'node:path'
import * as z from 'zod/mini'
import { maskedJson, parseFile } from './json.ts'
import { direct, type Found, folderOf, type Kind } from './kind.ts'

// keboola/cli, src/keboola_agent_cli/models.py (AppConfig, ProjectConfig, DeveloperPortalIdentity) and config_store.py.
const Config = z.looseObject({
  projects: z.record(
    z.string(),
    z.looseObject({
      stack_url: z.string(),
      token: z.string(),
      project_id: z.optional(z.nullable(z.number())),
      project_name: z.optional(z.string()),
      active_branch_id: z.optional(z.nullable(z.number())),
    }),
  ),
  dev_portal_identities: z.optional(
    z.record(
      z.string(),
      z.looseObject({ username: z.string(), password: z.string(), portal_url: z.optional(z.string()) }),
    ),
  ),
})
type Config = z.infer<typeof Config>

const title = 'kbagent'
const configOf = (text: string): Config => parseFile(text, (value) => Config.safeParse(value).data, title)

/** Stands for a sign-in that is kept elsewhere and rotates (auth/sentinel.py). */
const isSession = (token: string) => token.startsWith('kbc-session://')

const Verified = z.looseObject({
  description: z.optional(z.string()),
  isMasterToken: z.optional(z.boolean()),
  expires: z.optional(z.nullable(z.string())),
  canManageBuckets: z.optional(z.boolean()),
  canManageTokens: z.optional(z.boolean()),
})

function storageToken(
  alias: string,
  stack: URL,
  { token, project_id: known, active_branch_id: active }: Config['projects'][string],
): Found {
  // `{project}-{token}-{secret}` (config_store.py); older ones have no number of a project.
  const [, inToken, number] = /^(?:(\d+)-)?(\d+)-/.exec(token) ?? []
  const project = known ?? inToken
  const named = number === undefined ? 'Storage API token' : `Storage API token ${number}`
  return {
    at: `project ${alias}`,
    host: stack.host,
    what: `${named} of project ${project ?? 'unknown'}; what it may do the file does not say, and it ends only if its maker said so`,
    upstream: `delete ${number === undefined ? 'it' : `token ${number}`} in project ${project ?? ''}, under Settings, API Tokens`,
    secret: token,
    carries: { alias, branch: active == null ? null : String(active) },
    replacement: {
      match: ({ provider, external_id: id }) =>
        provider.host === stack.host && (project === undefined || id === String(project)),
      use: (ours) =>
        direct(ours) ?? {
          // config_store.py, _inject_env_project: KBC_TOKEN and KBC_STORAGE_API_URL, which exec sets, make a project __env__.
          line: `KBAGENT_PROJECT_FROM_ENV=1 KBAGENT_PROJECT=__env__ valetkey exec ${ours.alias} -- kbagent COMMAND`,
        },
    },
    question: {
      url: `${stack.origin}/v2/storage/tokens/verify`,
      headers: { 'X-StorageApi-Token': token },
      tell(status, body) {
        if (status === 401) return 'it is not accepted any more'
        const verified = status === 200 ? Verified.safeParse(body).data : undefined
        if (!verified) return `the host answers HTTP ${status}`
        const { description, isMasterToken, expires, canManageBuckets, canManageTokens } = verified
        return [
          `it works${description ? `, and is called "${description}"` : ''}`,
          isMasterToken ? 'it is a master token: it may do everything that its owner may' : undefined,
          canManageBuckets ? 'it may change every bucket' : undefined,
          canManageTokens ? 'it may make further tokens' : undefined,
          expires ? `it ends ${expires}` : 'it never ends',
        ]
          .filter(Boolean)
          .join('; ')
      },
    },
  }
}

export const kbagent: Kind = {
  name: 'kbagent',
  title,
  // config_store.py, resolve_config_dir: KBAGENT_CONFIG_DIR, .kbagent upwards, then the folder of the system. Beside each
  // is a copy from before the last change, which holds the tokens too.
  places({ env, cwd, platform }) {
    const home = folderOf({ env })
    const upwards: string[] = []
    for (let folder = cwd; ; folder = dirname(folder)) {
      upwards.push(join(folder, '.kbagent'))
      if (folder === home || folder === dirname(folder)) break
    }
    const usual =
      platform === 'darwin' ? join(home, 'Library/Application Support') : env.XDG_CONFIG_HOME || join(home, '.config')
    const folders = env.KBAGENT_CONFIG_DIR
      ? [env.KBAGENT_CONFIG_DIR]
      : [
          ...upwards,
          join(platform === 'win32' ? join(env.LOCALAPPDATA ?? '', 'keboola-agent-cli') : usual, 'keboola-agent-cli'),
        ]
    return folders.flatMap((folder) => ['config.json', 'config.json.bak'].map((name) => join(folder, name)))
  },
  isNamed: (file) => /(^|[/\\])config\.json(\.bak)?$/.test(file),
  read(text) {
    const { projects, dev_portal_identities: identities = {} } = configOf(text)
    return [
      ...Object.entries(projects).flatMap(([alias, project]) => {
        const { stack_url: stack, token } = project
        if (token === '' || isSession(token) || !URL.canParse(stack)) return []
        return [storageToken(alias, new URL(stack), project)]
      }),
      ...Object.entries(identities).map(
        ([name, { username, password, portal_url: url = 'https://apps-api.keboola.com' }]): Found => ({
          at: `identity ${name}`,
          host: URL.canParse(url) ? new URL(url).host : url,
          what: 'the password of a Developer Portal account, with all that the account may do',
          upstream: `change the password of ${username} there`,
          secret: password,
        }),
      ),
    ]
  },
  without(text, adopted) {
    configOf(text)
    // As it was written: the parsed one has its keys in another order.
    const wanted = JSON.parse(text) as Config
    const gone = new Set(adopted.map(({ at }) => at))
    for (const [alias, project] of Object.entries(wanted.projects)) if (gone.has(`project ${alias}`)) project.token = ''
    // As little as possible is touched: the texts of the tokens, in place. Where they are written in another way than usual,
    // the file is written anew.
    let changed = text
    for (const { secret } of adopted) changed = changed.replaceAll(`"token": "${secret}"`, '"token": ""')
    return JSON.stringify(JSON.parse(changed)) === JSON.stringify(wanted)
      ? changed
      : `${JSON.stringify(wanted, null, 2)}\n`
  },
  masked: (text) =>
    maskedJson(
      text,
      new Set([
        '_warning',
        'default_project',
        'stack_url',
        'project_name',
        'active_branch_name',
        'mode',
        'role_hint',
        'vendor',
        'portal_url',
        'default_dev_portal_identity',
        'username',
      ]),
    ),
}
