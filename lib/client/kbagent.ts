/** A project as `kbagent` knows it, without its token. */
export type KbagentProject = {
  /** What its person calls it there. */
  alias: string
  /** Origin of the stack. */
  stack: string
  host: string
  /** Its number; null: neither the file nor the token tells. */
  number: string | null
  name: string | null
  /** The development branch that is active there; null: the main one. */
  branch: string | null
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined)
const numberOf = (value: unknown) => (Number.isSafeInteger(value) && Number(value) > 0 ? String(value) : undefined)

/**
 * The projects in a `config.json` of keboola/cli (src/keboola_agent_cli/models.py: AppConfig, ProjectConfig); undefined: it is
 * none. Nothing secret is in the answer. Entries that name no stack are left out.
 */
export function kbagentProjects(text: string): KbagentProject[] | undefined {
  let file: unknown
  try {
    file = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(file) || !isRecord(file.projects)) return undefined
  const found: KbagentProject[] = []
  for (const [alias, entry] of Object.entries(file.projects)) {
    if (!isRecord(entry)) return undefined
    const address = textOf(entry.stack_url) ?? ''
    const url = URL.canParse(address) ? new URL(address) : undefined
    if (url?.protocol !== 'https:' && url?.protocol !== 'http:') continue
    const token = textOf(entry.token)
    // `{project}-{token}-{secret}` (config_store.py); older ones have no number of a project.
    const [, inToken] = /^(\d+)-\d+-/.exec(token ?? '') ?? []
    found.push({
      alias,
      stack: url.origin,
      host: url.host,
      number: numberOf(entry.project_id) ?? inToken ?? null,
      name: textOf(entry.project_name) ?? null,
      branch: numberOf(entry.active_branch_id) ?? null,
    })
  }
  return found
}

/** An alias as projects here may have it: lowercase letters, digits and hyphens; undefined where nothing of it is left. */
export function aliasFrom(name: string): string | undefined {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(/\p{M}/gu, '')
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '')
    .slice(0, 63)
    .replace(/-+$/, '')
  return plain === '' ? undefined : plain
}
