// What the completion scripts offer, judged by the shells themselves; a shell that is not installed is passed over.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { globalOptions } from '../../cli/src/command.ts'
import { commands } from '../../cli/src/commands/index.ts'
import { findProgram } from '../../scripts/lib/debian.mjs'
import { type Machine, ran, startMachine } from '../support/bare-machine.ts'

const [bash, zsh, fish] = await Promise.all(['bash', 'zsh', 'fish'].map((name) => findProgram(name)))

let machine: Machine
beforeAll(async () => {
  machine = await startMachine()
})
afterAll(() => machine.stop())

async function scriptFor(shell: string): Promise<string> {
  const { code, stdout } = await machine.run(['completion', shell])
  expect(code).toBe(0)
  const file = join(machine.home, `completion.${shell}`)
  await writeFile(file, stdout)
  return file
}

const flags = (name: string) => {
  const found = commands.find((one) => one.name === name)
  return [...Object.keys({ ...globalOptions, ...found?.options }), 'help'].map((option) =>
    option === 'color' ? '--no-color' : `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
  )
}
const firstWords = [...new Set(commands.map(({ name }) => name.split(' ')[0] ?? ''))].sort()

/** The words after the name, the last of them under the cursor, and what is offered there. */
const cases: [words: string[], offered: string[]][] = [
  [[''], firstWords],
  [['log'], ['login', 'logout']],
  [
    ['--server', 'https://vk.example', 'log'],
    ['login', 'logout'],
  ],
  [
    ['completion', ''],
    ['bash', 'fish', 'zsh'],
  ],
  [['completion', '--json', 'f'], ['fish']],
  [['logout', '--'], flags('logout').sort()],
  [['--json', 'login', '--de'], ['--device']],
  [['--server', ''], []],
  [['login', '--scope', ''], []],
]

it.skipIf(!bash).each(cases)('bash offers after %j', async (words, offered) => {
  const file = await scriptFor('bash')
  const asks = `source "$1"; shift; COMP_WORDS=(valetkey "$@"); COMP_CWORD=$#; _valetkey; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = await ran(bash ?? '', ['--norc', '-c', asks, 'bash', file, ...words], {
    env: machine.env(),
  })
  expect([stdout.split('\n').filter(Boolean).sort(), stderr]).toEqual([offered, ''])
})

it.skipIf(!bash)('bash completes names of files where a file is asked for, and programs after --', async () => {
  const file = await scriptFor('bash')
  const asks = `source "$1"; shift; compopt() { echo "$@"; }; COMP_WORDS=(valetkey "$@"); COMP_CWORD=$#; _valetkey; printf '%s\\n' "\${COMPREPLY[@]}"`
  const ask = async (...words: string[]) =>
    (await ran(bash ?? '', ['--norc', '-c', asks, 'bash', file, ...words], { env: machine.env() })).stdout.trim()
  expect(await ask('login', '--ca-file', '')).toBe('-o default')
  expect((await ask('exec', '--', 'bas')).split('\n')).toEqual(expect.arrayContaining(['-o default', 'bash']))
})

it.skipIf(!zsh).each(cases)('zsh offers after %j', async (words, offered) => {
  const file = await scriptFor('zsh')
  // Its completion system needs a terminal; what the script hands to it is seen by standing in for its two functions.
  const asks = `
compdef() { }; source "$1"; shift; words=(valetkey "$@"); CURRENT=$#words
_describe() { local one; for one in "\${(@P)2}"; do case $one in "$words[CURRENT]"*) print -r -- "\${one%%:*}";; esac; done }
_message() { }; _files() { print FILES }; _normal() { print PROGRAM $words }
_valetkey`
  const { stdout, stderr } = await ran(zsh ?? '', ['-f', '-c', asks, 'zsh', file, ...words], { env: machine.env() })
  expect([stdout.split('\n').filter(Boolean).sort(), stderr]).toEqual([offered, ''])
})

it.skipIf(!fish).each(cases)('fish offers after %j', async (words, offered) => {
  const file = await scriptFor('fish')
  const line = ['valetkey', ...words].join(' ')
  const { stdout, stderr } = await ran(fish ?? '', ['-N', '-c', `source $argv[1]; complete -C $argv[2]`, file, line], {
    env: machine.env(),
  })
  const got = stdout
    .split('\n')
    .filter(Boolean)
    .map((text) => text.split('\t')[0] ?? '')
  // fish offers short options as well.
  expect([got.filter((text) => !/^-[^-]/.test(text)).sort(), stderr]).toEqual([offered, ''])
})
