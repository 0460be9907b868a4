import { Argument, CommanderError, Option, Command as Parser } from 'commander'
import { type Command, flagOf, type Given, globalOptions, type OptionSpecs, type Options, spelled } from './command.ts'
import { Failure } from './failure.ts'

export type Call = { command: Command; given: Given<OptionSpecs>; globals: Options<typeof globalOptions> }

/**
 * Reads a command line by the table of commands. Answers the call, or text where help or the version was asked for.
 * @throws Failure usage
 */
export function parse(argv: readonly string[], commands: readonly Command[]): Call | string {
  const end = argv.indexOf('--')
  const [words, rest] = end < 0 ? [argv, []] : [argv.slice(0, end), argv.slice(end + 1)]
  let text = ''
  let call: Call | undefined
  const program = parserOf(
    commands,
    (write) => (text += write),
    (parsed) => (call = parsed),
    [...rest],
  )
  try {
    program.parse([...words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return text
    const [said = '', ...more] = error.message.replace(/^error: |\.$/g, '').split('\n')
    const hint = more.join(' ').trim()
    throw new Failure('usage', `${said.charAt(0).toUpperCase()}${said.slice(1)}.${hint ? ` ${hint}` : ''}`, {
      next: 'See: valetkey --help',
    })
  }
  if (call) return call
  throw new Failure('usage', 'Which command?', { next: 'See: valetkey --help' })
}

/** The table of commands, as the library has it; its help is the one that people see. */
export function parserOf(
  commands: readonly Command[],
  write: (text: string) => void,
  called: (call: Call) => void,
  rest: string[],
): Parser {
  const shaped = (parser: Parser) =>
    parser
      .exitOverride()
      .configureOutput({ writeOut: write, writeErr: () => {} })
      .helpOption('-h, --help', 'show this')
      .helpCommand(false)
  const program = shaped(new Parser('valetkey'))
    .description('Short-lived, scoped tokens in a terminal, and no long-lived one left on the machine.')
    .version(VALETKEY_VERSION, '-V, --version', 'show the version')
  for (const [name, spec] of Object.entries(globalOptions)) program.addOption(optionOf(name, spec))
  for (const command of commands) {
    const path = command.name.split(' ')
    const parser = shaped(folderOf(program, path.slice(0, -1), shaped).command(path.at(-1) ?? ''))
    parser.summary(command.summary).description([command.summary, ...(command.details ?? [])].join('\n\n'))
    for (const argument of command.arguments) {
      const taken = new Argument(spelled(argument), argument.description)
      parser.addArgument(argument.choices ? taken.choices(argument.choices) : taken)
    }
    for (const [name, spec] of Object.entries(command.options)) parser.addOption(optionOf(name, spec))
    if (command.open) parser.allowUnknownOption().allowExcessArguments()
    if (command.rest !== undefined)
      parser.usage(`[options] ${command.arguments.map(spelled).join(' ')} -- ${command.rest}`)
    parser.addHelpText(
      'after',
      ['', 'Examples:', ...command.examples.flatMap(({ line, what }) => [`  ${line}`, `      ${what}`])].join('\n'),
    )
    parser.action(() => {
      if (rest.length > 0 && command.rest === undefined)
        throw new Failure('usage', `valetkey ${command.name} takes nothing after "--".`, {
          next: `See: valetkey ${command.name} --help`,
        })
      const globals = { ...program.opts(), ...parser.optsWithGlobals() } as Options<typeof globalOptions>
      const options = completed(command.options, parser.opts())
      // The library hands what it does not know to us among the arguments, in the order in which it was typed.
      const several = command.arguments.some((argument) => argument.several)
      const counted = command.open && !several ? parser.args.slice(0, command.arguments.length) : parser.args
      called({
        command,
        globals: completed(globalOptions, globals),
        given: { args: counted, options, rest, open: parser.args.slice(counted.length) },
      })
    })
  }
  return program
}

function folderOf(program: Parser, path: string[], shaped: (parser: Parser) => Parser): Parser {
  return path.reduce(
    (parser, name) =>
      parser.commands.find((one) => one.name() === name) ?? shaped(parser.command(name)).summary(`${name} …`),
    program,
  )
}

function optionOf(name: string, spec: OptionSpecs[string]): Option {
  if (name === 'color') return new Option('--no-color', 'no colours')
  const flags = [spec.short && `-${spec.short}`, flagOf(name)].filter(Boolean).join(', ')
  if (spec.is === 'switch') return new Option(flags, spec.description)
  const option = new Option(`${flags} ${spec.value}`, spec.description)
  if (spec.choices) option.choices(spec.choices)
  if (spec.is === 'list') option.argParser((value, before: string[] | undefined) => [...(before ?? []), value])
  return option
}

/** Every option, also those that were not given. */
function completed<O extends OptionSpecs>(specs: O, given: Record<string, unknown>): Options<O> {
  const none = { switch: false, list: [], value: undefined }
  return Object.fromEntries(
    Object.entries(specs).map(([name, { is }]) => [name, given[name] ?? none[is]]),
  ) as Options<O>
}
