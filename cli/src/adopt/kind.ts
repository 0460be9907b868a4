import type { Cli } from '../cli.ts'

/** A project of ours, as far as it takes part here. */
export type Project = {
  id: string
  alias: string
  external_id: string
  provider: { kind: string; host: string; strategy: string | null }
  connection: { id: string; status: string; branch: string | null } | null
}

/** What may be asked of whom a credential is for; it is sent to that host and to nobody else. */
export type Question = {
  url: string
  headers: Record<string, string>
  tell(status: number, body: unknown, headers: Headers): string
}

/** A long-lived credential in a file. No text in here but `secret` holds any of it. */
export type Found = {
  /** Where in the file, for people. */
  at: string
  host: string
  /** What it is and may do, as far as the file tells. */
  what: string
  /** What to delete upstream, and where. */
  upstream: string
  secret: string
  /** Undefined: nothing of Valetkey can stand in for it. `match`: which projects can. */
  replacement?: {
    match(project: Project): boolean
    /** What to use from then on; else why that project cannot. */
    use(project: Project): { line: string; git?: [name: string, value: string][] } | { problem: string }
  }
  question?: Question
  /** What its person had set there beside it, which a project of ours can have as well. */
  carries?: { alias: string; branch: string | null }
}

/** A program’s file with credentials in it. */
export type Kind = {
  name: string
  title: string
  /** Where it is, the usual places. */
  places(cli: Pick<Cli, 'env' | 'cwd' | 'platform'>): string[]
  isNamed(file: string): boolean
  /** @throws Failure where the text is not what that program writes */
  read(text: string): Found[]
  /** The text without some of what was found; everything else stays, byte for byte. */
  without(text: string, adopted: readonly Found[]): string
  /** With nothing secret in it, whoever’s; line by line the same text. */
  masked(text: string): string
}

export const mask = '********'
export const folderOf = ({ env }: Pick<Cli, 'env'>) => env.HOME ?? env.USERPROFILE ?? ''
export const isAt = (host: string) => (project: Project) =>
  project.provider.host === host || (URL.canParse(project.external_id) && new URL(project.external_id).host === host)

/** For programs that send what they have to the upstream itself. */
export const direct = ({ provider, alias }: Project): { problem: string } | undefined =>
  provider.strategy === 'proxy' || provider.strategy === null
    ? {
        problem: `tokens of project ${alias} work through Valetkey alone, and this program asks the upstream itself; see: valetkey proxy ${alias}`,
      }
    : undefined
