// docs/cli.md and the man page of the command, made of its table of commands. `npm run docs:generate` writes them; a test
// fails when one is stale.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, flagOf, globalOptions, type OptionSpec, type OptionSpecs, spelled } from '../cli/src/command.ts'
import { commands } from '../cli/src/commands/index.ts'
import { environment, kept } from '../cli/src/environment.ts'
import { exitCodes } from '../cli/src/exit-codes.ts'
import { linkFile } from '../cli/src/place.ts'

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../cli/package.json'), 'utf8')) as {
  version: string
}

export const cliPages = (): Record<string, string> => ({ 'docs/cli.md': manual(), 'cli/man/valetkey.1': manPage() })

const usageOf = ({ name, arguments: taken, options, open, rest }: Command): string =>
  [
    'valetkey',
    name,
    ...(Object.keys(options).length > 0 || open ? ['[options]'] : []),
    ...taken.map(spelled),
    ...(rest === undefined ? [] : [`-- ${rest}`]),
  ].join(' ')

function flagsOf(name: string, spec: OptionSpec): string {
  const flag = name === 'color' ? '--no-color' : flagOf(name)
  const both = [spec.short && `-${spec.short}`, flag].filter(Boolean).join(', ')
  return spec.is === 'switch' ? both : `${both} ${spec.value}`
}

const aboutOf = (spec: OptionSpec): string =>
  spec.is !== 'switch' && spec.choices ? `${spec.description} (${spec.choices.join(', ')})` : spec.description

const order = [
  '`--server`',
  '`VALETKEY_SERVER`',
  `the nearest folder upwards that is linked (\`valetkey link\` writes \`${linkFile}\`)`,
  'the default, which is where you signed in first',
]

const manual = () => `# The command \`valetkey\`

Sign in from a terminal, and get short-lived, scoped tokens without a long-lived one on the machine. This page is made by
\`npm run docs:generate\` from the same table as \`valetkey --help\`; the man page is \`cli/man/valetkey.1\`.

\`\`\`sh
npx valetkey login https://valetkey.example.com   # in a checkout; how to pack it for elsewhere: cli/README.md
npx valetkey status
\`\`\`

- [Commands](#commands) · [Options of every command](#options-of-every-command) · [Which server](#which-server) ·
  [Output](#output) · [Exit codes](#exit-codes) · [Environment](#environment) · [What it keeps](#what-it-keeps)

## Commands

${commands.map((one) => `- [\`${one.name}\`](#${anchor(one.name)}): ${lower(one.summary)}`).join('\n')}

${commands.map(section).join('\n')}
## Options of every command

They stand before or after its name.

${optionTable(globalOptions)}

## Which server

The first of these that is there:

${order.map((one, at) => `${at + 1}. ${one}`).join('\n')}

A tenant may follow the address, as it does in the console: \`https://valetkey.example.com/t/acme\`. Where you are signed in to
several tenants of one server and none is named, \`--tenant\` says which. http is taken for this machine alone.

## Output

The answer goes to standard output, everything else to standard error, so that a pipe gets the answer alone. With \`--json\` the
answer is one JSON value, and an error is \`{ "error": { "code", "message", "next", "request_id" } }\` on standard error: \`code\` is
the server's own where it answered with one ([errors](api.md#errors)), \`next\` what to do. No token is printed that was not asked for.

## Exit codes

| code | name | meaning |
|---|---|---|
| 0 | | done |
${Object.entries(exitCodes)
  .map(([name, { code, means }]) => `| ${code} | \`${name}\` | ${cell(means)} |`)
  .join('\n')}

## Environment

| variable | what it says |
|---|---|
${environment.map(([name, what]) => `| ${name.split(', ').map(code).join(', ')} | ${cell(what)} |`).join('\n')}

## What it keeps

In \`~/.config/valetkey\`, on Windows in \`%APPDATA%\\valetkey\`, or where \`VALETKEY_HOME\` says:

| file | what is in it |
|---|---|
${kept.map(([name, what]) => `| \`${name}\` | ${cell(what)} |`).join('\n')}
`

const section = (one: Command) => `### ${one.name}

${one.summary}.

\`\`\`
${usageOf(one)}
\`\`\`
${(one.details ?? []).map((text) => `\n${text}\n`).join('')}${
  one.arguments.length > 0
    ? `\n| argument | meaning |\n|---|---|\n${one.arguments
        .map((each) => `| \`${spelled(each)}\` | ${cell(withChoices(each))} |`)
        .join('\n')}\n`
    : ''
}${Object.keys(one.options).length > 0 ? `\n${optionTable(one.options)}\n` : ''}
\`\`\`sh
${examples(one)}
\`\`\`
`

const examples = ({ examples: given }: Command) => {
  const width = Math.max(...given.map(({ line }) => line.length))
  return given.map(({ line, what }) => `${line.padEnd(width)}   # ${what}`).join('\n')
}

const withChoices = ({ description, choices }: Command['arguments'][number]) =>
  choices ? `${description}: ${choices.join(', ')}` : description

const optionTable = (specs: OptionSpecs) =>
  `| option | meaning |\n|---|---|\n${Object.entries(specs)
    .map(([name, spec]) => `| \`${flagsOf(name, spec)}\` | ${cell(aboutOf(spec))} |`)
    .join('\n')}`

const code = (text: string) => `\`${text}\``
const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('<', '\\<')
const anchor = (heading: string) => heading.toLowerCase().replaceAll(' ', '-')
const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1)

/** In the macros of man(7). */
const manPage = () => `.\\" Made by npm run docs:generate; do not edit.
.TH VALETKEY 1 "" "valetkey ${roff(version)}" "Valetkey"
.SH NAME
valetkey \\- short\\-lived, scoped tokens in a terminal
.SH SYNOPSIS
.B valetkey
.RI [ options ]
.I command
.RI [ arguments ]
.SH DESCRIPTION
Signs in to a Valetkey server from a terminal, and gets tokens of the projects that are linked there, so that no long\\-lived one is
on the machine.
.SH COMMANDS
${commands.map(manSection).join('\n')}
.SH OPTIONS OF EVERY COMMAND
${manOptions(globalOptions)}
.SH WHICH SERVER
The first of these that is there:
${order.map((one, at) => `.IP ${at + 1}. 4\n${roff(one.replaceAll('`', ''))}`).join('\n')}
.SH EXIT STATUS
.TP
.B 0
done
${Object.values(exitCodes)
  .map(({ code: number, means }) => `.TP\n.B ${number}\n${roff(means)}`)
  .join('\n')}
.SH ENVIRONMENT
${environment.map(([name, what]) => `.TP\n.B ${roff(name)}\n${roff(what)}`).join('\n')}
.SH FILES
In ~/.config/valetkey, on Windows in %APPDATA%\\evaletkey, or where VALETKEY_HOME says:
${kept.map(([name, what]) => `.TP\n.I ${roff(name)}\n${roff(what)}`).join('\n')}
`

const manSection = (one: Command) =>
  [
    `.SS ${roff(usageOf(one))}`,
    `${roff(one.summary)}.`,
    ...(one.details ?? []).map((text) => `.PP\n${roff(text)}`),
    ...one.arguments.map((each) => `.TP\n.I ${roff(each.name)}\n${roff(withChoices(each))}`),
    manOptions(one.options),
    ...one.examples.map(({ line, what }) => `.PP\n${roff(line)}\n.RS 4\n${roff(what)}\n.RE`),
  ]
    .filter(Boolean)
    .join('\n')

const manOptions = (specs: OptionSpecs) =>
  Object.entries(specs)
    .map(([name, spec]) => `.TP\n.B ${roff(flagsOf(name, spec))}\n${roff(aboutOf(spec))}`)
    .join('\n')

/** As text: a backslash, a hyphen that may be copied, and a line that begins like a request (groff_char(7)). */
const roff = (text: string) =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/[^\p{ASCII}]/gu, (char) => `\\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')}]`)
    .replace(/^[.']/, '\\&$&')
