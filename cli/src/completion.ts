import { type Command, flagOf, globalOptions, type OptionSpec, type OptionSpecs } from './command.ts'
import { commands } from './commands/index.ts'

type Word = { text: string; about: string }
type Flag = Word & { short: string | undefined; takesValue: boolean; takesFile: boolean; choices: readonly string[] }
/** What may follow `path`, the words of a command or the first ones of several: `audit`. */
type Spot = { path: string; words: Word[]; flags: Flag[]; takesFile: boolean }

/** Everything is in the script: a key that is pressed starts no program and asks no server. */
export const completionFor = (shell: 'bash' | 'zsh' | 'fish'): string => scripts[shell](spotsOf(commands))

function spotsOf(all: readonly Command[]): Spot[] {
  const paths = all.flatMap(({ name }) => name.split(' ').map((_, at, parts) => parts.slice(0, at).join(' ')))
  const folders = [...new Set(paths)].map((path) => ({
    path,
    words: [...new Set(all.flatMap(({ name }) => nextOf(path, name)))].map((text) => ({
      text,
      about: all.find(({ name }) => name === `${path} ${text}`.trim())?.summary ?? `${text} …`,
    })),
    flags: [],
    takesFile: false,
  }))
  const ends = all.map(({ name, arguments: taken, options }) => ({
    path: name,
    words: taken.flatMap(({ choices = [], description }) => choices.map((text) => ({ text, about: description }))),
    flags: flagsOf(options),
    takesFile: taken.some((argument) => argument.name === 'file'),
  }))
  return [...folders, ...ends]
}

const nextOf = (path: string, name: string): string[] => {
  const [parts, words] = [path === '' ? [] : path.split(' '), name.split(' ')]
  const next = words[parts.length]
  return next !== undefined && parts.every((part, at) => part === words[at]) ? [next] : []
}

const flagsOf = (specs: OptionSpecs): Flag[] =>
  Object.entries<OptionSpec>(specs).map(([name, spec]) => ({
    text: name === 'color' ? '--no-color' : flagOf(name),
    about: spec.description,
    short: spec.short,
    takesValue: spec.is !== 'switch',
    takesFile: spec.is !== 'switch' && spec.value === '<file>',
    choices: spec.is === 'switch' ? [] : (spec.choices ?? []),
  }))

/** Of every command. */
const shared = flagsOf({ ...globalOptions, help: { is: 'switch', short: 'h', description: 'show this' } })

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`
const either = (texts: readonly string[]) => texts.map(quoted).join('|')
const spelledOf = ({ text, short }: Flag) => (short === undefined ? [text] : [text, `-${short}`])
const valued = (spots: Spot[]) => [
  ...new Set([...shared, ...spots.flatMap(({ flags }) => flags)].filter((flag) => flag.takesValue).flatMap(spelledOf)),
]
const wordOf = ({ path }: Spot) => path.split(' ').at(-1) ?? ''
const above = ({ path }: Spot) => path.split(' ').slice(0, -1).join(' ')

/** For bash and zsh: sets `place`, the words of the command so far. */
const walk = (spots: Spot[], words: string) => `  local place= word skip= rest=
  for word in ${words}; do
    if [ -n "$skip" ]; then skip=; continue; fi
    case $word in
      --) rest=1; break ;;
      ${either(valued(spots))}) skip=1 ;;
      -*) ;;
      *) case "$place $word" in
${spots
  .filter(({ path }) => path !== '')
  .map((spot) => `        ${quoted(`${above(spot)} ${wordOf(spot)}`)}) place=${quoted(spot.path)} ;;`)
  .join('\n')}
      esac ;;
    esac
  done`

/** For bash and zsh: what is offered as the value of an option. */
const values = (spots: Spot[], offer: (flag: Flag) => string) =>
  [
    ...spots.flatMap(({ path, flags }) => flags.map((flag) => ({ flag, place: quoted(path) }))),
    ...shared.map((flag) => ({ flag, place: '*' })),
  ]
    .filter(({ flag }) => flag.takesValue)
    .map(({ flag, place }) => {
      const spelled = spelledOf(flag).map((text) => `${place}${quoted(` ${text}`)}`)
      return `    ${spelled.join('|')}) ${offer(flag)}; return ;;`
    })
    .join('\n')

/** For bash and zsh: what is offered at a place. */
const cases = (spots: Spot[], offer: (spot: Spot) => string | undefined) =>
  spots
    .flatMap((spot) => {
      const offers = offer(spot)
      return offers === undefined ? [] : [`    ${quoted(spot.path)}) ${offers} ;;`]
    })
    .join('\n')

const scripts: Record<'bash' | 'zsh' | 'fish', (spots: Spot[]) => string> = {
  bash: (spots) => `# valetkey in bash: source <(valetkey completion bash)
_valetkey() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} IFS=$'\\n'
  local shared=${quoted(shared.map(({ text }) => text).join('\n'))}
  COMPREPLY=()
${walk(spots, `"\${COMP_WORDS[@]:1:COMP_CWORD-1}"`)}
  if [ -n "$rest" ]; then COMPREPLY=( $(compgen -A command -- "$cur") ); ${files}; return; fi
  case "$place $prev" in
${values(spots, ({ choices, takesFile }) => (takesFile ? files : choices.length > 0 ? offered(choices) : ':'))}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=( $(compgen -W "$shared" -- "$cur") )
    case "$place" in
${cases(spots, ({ flags }) => (flags.length > 0 ? offered(textsOf(flags), '+=') : undefined))}
    esac
    return
  fi
  case "$place" in
${cases(spots, ({ words, takesFile }) => (takesFile ? files : words.length > 0 ? offered(textsOf(words)) : undefined))}
  esac
}
complete -F _valetkey valetkey
`,
  zsh: (spots) => `#compdef valetkey
# valetkey in zsh: valetkey completion zsh > "$fpath[1]/_valetkey"
_valetkey() {
  local cur=$words[CURRENT] prev=$words[CURRENT-1]
  local -a offered
${walk(spots, `"\${(@)words[2,CURRENT-1]}"`)}
  if [ -n "$rest" ]; then
    local at=$words[(i)--]
    words=("\${(@)words[at+1,-1]}") CURRENT=$((CURRENT - at))
    _normal
    return
  fi
  case "$place $prev" in
${values(spots, ({ choices, takesFile, about }) =>
  takesFile
    ? '_files'
    : choices.length > 0
      ? `offered=(${choices.map(quoted).join(' ')}); _describe ${quoted(about)} offered`
      : `_message ${quoted(about)}`,
)}
  esac
  if [[ $cur == -* ]]; then
    offered=(${described(shared)})
    case "$place" in
${cases(spots, ({ flags }) => (flags.length > 0 ? `offered+=(${described(flags)})` : undefined))}
    esac
    _describe option offered
    return
  fi
  case "$place" in
${cases(spots, ({ path, words, takesFile }) => {
  if (takesFile) return '_files'
  return words.length > 0 ? `offered=(${described(words)}); _describe ${quoted(path || 'command')} offered` : undefined
})}
  esac
}
if [ "$funcstack[1]" = "_valetkey" ]; then _valetkey "$@"; else compdef _valetkey valetkey; fi
`,
  fish: (spots) => `# valetkey in fish: valetkey completion fish > ~/.config/fish/completions/valetkey.fish
function __valetkey_at
    set -l place ''
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case --
                return 1
            case ${valued(spots).map(quoted).join(' ')}
                set skip 1
            case '-*'
            case '*'
                switch "$place $word"
${spots
  .filter(({ path }) => path !== '')
  .map(
    (spot) =>
      `                    case ${quoted(`${above(spot)} ${wordOf(spot)}`)}\n                        set place ${quoted(spot.path)}`,
  )
  .join('\n')}
                end
        end
    end
    test "$place" = "$argv[1]"
    or test "$argv[1]" = '*'
end
complete -c valetkey -f
complete -c valetkey -n 'contains -- -- (commandline -opc)' -F
${[
  ...spots.flatMap(({ path, words, flags, takesFile }) => [
    ...words.map(({ text, about }) => `${inFish(path)} -a ${quoted(text)} -d ${quoted(about)}`),
    ...(takesFile ? [`${inFish(path)} -F`] : []),
    ...flags.map((flag) => fishFlag(path, flag)),
  ]),
  ...shared.map((flag) => fishFlag('*', flag)),
].join('\n')}
`,
}

const textsOf = (words: Word[]) => words.map(({ text }) => text)
/** For bash: names of files, as it completes them itself; before version 4 nothing. */
const files = 'compopt -o default 2> /dev/null'
const offered = (texts: readonly string[], into: '=' | '+=' = '=') =>
  `COMPREPLY${into}( $(compgen -W ${quoted(texts.join('\n'))} -- "$cur") )`
/** For zsh: a word, a colon, what it is. */
const described = (words: Word[]) =>
  words.map(({ text, about }) => quoted(`${text.replaceAll(':', '\\:')}:${about}`)).join(' ')
/** For fish. The quotes of the condition stand inside ours. */
const inFish = (path: string) => `complete -c valetkey -n "__valetkey_at '${path}'"`
const fishFlag = (path: string, { text, about, short, takesValue, takesFile, choices }: Flag) =>
  [
    `${inFish(path)} -l ${text.slice(2)}`,
    ...(short === undefined ? [] : [`-s ${short}`]),
    ...(takesValue ? [takesFile ? '-rF' : '-x'] : []),
    ...(choices.length > 0 ? [`-a ${quoted(choices.join(' '))}`] : []),
    `-d ${quoted(about)}`,
  ].join(' ')
