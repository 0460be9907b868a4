// What a person puts together in the form for a token that works through us.
import { describe, expect, it } from 'vitest'
import {
  draftOf,
  readDraft,
  rowFault,
  valueFault,
} from '../../app/t/[tenant]/projects/[project]/issue/pickers/rules-draft.ts'
import { proxySamples, samplePath } from '../../lib/providers/proxy-samples.ts'
import { Pattern, Rules } from '../../lib/providers/rules.ts'

const named = [
  { name: 'issues', title: 'Issues', paths: ['GET /repos/{owner}/{repo}/issues/**'] },
  { name: 'all', title: 'All', paths: ['GET /items', 'POST /items'] },
]
const way = { readOnly: true, named }
const read = (draft: Partial<ReturnType<typeof draftOf>>, at = way) => readDraft({ ...draftOf(), ...draft }, at)
const row = (path: string, ...methods: string[]) => ({ key: 1, methods, path })

describe('a draft of rules', () => {
  it('comes to nothing until something is chosen, and then to what the server takes', () => {
    expect(read({})).toEqual({ todo: 'choose what it may do' })
    expect(read({ access: 'read_only' })).toEqual({ rules: { access: 'read_only' } })
    expect(read({ access: 'read_only' }, { ...way, readOnly: false })).toHaveProperty('todo')
    expect(read({ access: 'everything' })).toEqual({ rules: { access: 'everything' } })
    expect(read({ access: 'paths' })).toEqual({ todo: 'choose or write at least one path' })
  })

  it('asks for what a named rule leaves open, and encodes it as one segment', () => {
    expect(read({ access: 'paths', ticked: { issues: { owner: 'acme' } } })).toEqual({ todo: 'complete the paths' })
    for (const repo of ['a/b', '..', 'a%20b', 'a*'])
      expect(read({ access: 'paths', ticked: { issues: { owner: 'acme', repo } } }), repo).toHaveProperty('todo')
    const ticked = { issues: { owner: ' acme ', repo: 'á b' }, all: {} }
    expect(read({ access: 'paths', ticked, rows: [row('/x', 'GET', 'PUT')] })).toEqual({
      rules: {
        access: 'paths',
        paths: ['GET /repos/acme/%C3%A1%20b/issues/**', 'GET /items', 'POST /items', 'GET,PUT /x'],
      },
    })
    expect(read({ access: 'paths', ticked: { issues: { owner: 'acme', repo: '*' } } })).toHaveProperty('rules')
  })

  it('says of each text that the server would refuse why, and of no other', () => {
    for (const text of [
      '',
      '/',
      '/a',
      '/a/',
      '/a/*',
      '/a/**',
      '/**',
      '/*/b',
      '/%20',
      'a',
      '/a?b',
      '/a#b',
      '/{a}',
      '/a//b',
    ]) {
      const isRight = Pattern.safeParse(`GET ${text}`).success || text === ''
      expect(rowFault(row(text, 'GET')) === undefined, text).toBe(isRight)
    }
    for (const text of ['/a/./b', '/a/..', '/a*', '/**/a', '/ä', '/%2', '/%c3', `/${'a'.repeat(600)}`])
      expect(rowFault(row(text, 'GET')), text).toMatch(/\.$/)
    for (const text of ['/', 'a\\b', 'a%2f', 'a*b']) expect(valueFault(text), text).toMatch(/\.$/)
    for (const text of ['', ' ', 'a b', '*', 'ä', 'a.b', 'a:b@c']) expect(valueFault(text), text).toBeUndefined()
  })

  it('brings the rules of an earlier token back as they were', () => {
    for (const rules of [
      { access: 'read_only' },
      { access: 'everything' },
      { access: 'paths', paths: ['GET,HEAD /a/*', '* /b/**'] },
    ])
      expect(readDraft(draftOf(rules), way)).toEqual({ rules: Rules.parse(rules) })
  })
})

describe('a sample of a token through us', () => {
  it('asks for a path that its rules let be read', () => {
    const paths = (...paths: string[]) => samplePath({ access: 'paths', paths }, named)
    expect(paths('POST /a', 'GET,POST /b/**')).toBe('/b')
    expect(paths('* /c', 'GET /d')).toBe('/c')
    expect(paths('GET /*/e')).toBe('/')
    expect(paths('GET /**')).toBe('/')
    expect(samplePath({ access: 'read_only' }, named)).toBe('/items')
    expect(samplePath({ access: 'everything' }, [])).toBe('/')
  })

  it('never has the token among the arguments of a program', () => {
    const lines = proxySamples({ baseUrl: 'https://a.example/proxy', path: "/it's" }, 'A_TOKEN').flatMap(({ code }) =>
      code.split('\n').filter((line) => line.includes('A_TOKEN')),
    )
    for (const line of lines) expect(line).toMatch(/^(?:export API_TOKEN='A_TOKEN'|Authorization: Bearer A_TOKEN)$/)
    expect(lines.length).toBe(3)
  })
})
