import type { Cli } from './cli.ts'

/** How an option is written: a switch, a value, or a value that may be given several times. */
export type OptionSpec = { description: string; short?: string } & (
  | { is: 'switch' }
  | { is: 'value' | 'list'; value: string; choices?: readonly string[] }
)
export type OptionSpecs = Record<string, OptionSpec>

/** camelCase here, kebab-case as it is written. */
export type Options<O extends OptionSpecs> = {
  [Name in keyof O]: O[Name] extends { is: 'switch' }
    ? boolean
    : O[Name] extends { is: 'list' }
      ? string[]
      : string | undefined
}

export type Argument = {
  name: string
  description: string
  optional?: true
  several?: true
  choices?: readonly string[]
}

/**
 * One command: the help, the man page, docs/cli.md and the shells' completions are all made of this. Its work is loaded when
 * it runs: what is here is loaded at each start.
 */
export type Command = {
  /** As it is typed: `audit verify`. */
  name: string
  summary: string
  /** Paragraphs. */
  details?: readonly string[]
  arguments: readonly Argument[]
  options: OptionSpecs
  /** What follows `--`, where something may. */
  rest?: string
  /** Takes options that it does not list: it reads them itself. */
  open?: true
  examples: readonly { line: string; what: string }[]
  /** In its own words; `arguments` in their order, `several` takes all that are left. */
  run(cli: Cli, given: Given<OptionSpecs>): Promise<number | undefined> | Promise<void>
}

/** `open`: options it does not list, as they were typed. `rest`: what follows `--`. */
export type Given<O extends OptionSpecs> = { args: string[]; options: Options<O>; rest: string[]; open: string[] }

type Typed<O extends OptionSpecs> = Omit<Command, 'options' | 'run' | 'arguments'> & {
  arguments?: readonly Argument[]
  options?: O
  /** Answers the exit code where it is another than 0. */
  run(cli: Cli, given: Given<O>): Promise<number | undefined> | Promise<void>
}

/** A command whose work sees its options as they are declared. */
export const command = <const O extends OptionSpecs = Record<never, never>>(typed: Typed<O>): Command => ({
  ...typed,
  arguments: typed.arguments ?? [],
  options: typed.options ?? {},
  run: (cli, given) => typed.run(cli, given as Given<O>),
})

/** As a usage line has it. */
export const spelled = ({ name, optional, several }: Argument): string => {
  const text = several ? `${name}...` : name
  return optional ? `[${text}]` : `<${text}>`
}

export const flagOf = (name: string) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`

/** Of every command, before or after its name. */
export const globalOptions = {
  server: { is: 'value', value: '<url>', description: 'the Valetkey server; a tenant may follow: https://host/t/acme' },
  tenant: { is: 'value', value: '<slug>', description: 'the tenant, where you are signed in to several of one server' },
  json: { is: 'switch', description: 'answer in JSON; errors too' },
  verbose: { is: 'switch', short: 'v', description: 'show requests, without secrets' },
  caFile: { is: 'value', value: '<file>', description: 'trust these certificates (PEM) beside those of Node' },
  color: { is: 'switch', description: 'colour off: --no-color' },
} as const satisfies OptionSpecs
