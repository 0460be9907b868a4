import { describe, expect, it, test } from 'vitest'
import { kinds, readRights } from '../../lib/providers/index.ts'
import { KeboolaRights, describe as lines, missing, narrows } from '../../lib/providers/keboola/rights.ts'

const none: KeboolaRights = {
  components: [],
  buckets: {},
  manage_buckets: false,
  read_all_files: false,
  manage_tokens: false,
}
const of = (rights: Partial<KeboolaRights>): KeboolaRights => ({ ...none, ...rights })

describe('rights at Keboola', () => {
  it.each<[name: string, asked: Partial<KeboolaRights>, limit: Partial<KeboolaRights>, isWithin: boolean]>([
    ['nothing in nothing', {}, {}, true],
    ['the same', { components: ['a'], buckets: { b: 'write' } }, { components: ['a'], buckets: { b: 'write' } }, true],
    ['reading where writing is allowed', { buckets: { b: 'read' } }, { buckets: { b: 'write' } }, true],
    ['writing where reading is allowed', { buckets: { b: 'write' } }, { buckets: { b: 'read' } }, false],
    ['another bucket', { buckets: { c: 'read' } }, { buckets: { b: 'write' } }, false],
    ['a bucket that objects are born with', { buckets: JSON.parse('{"toString":"read"}') }, {}, false],
    ['any bucket for who manages them', { buckets: { b: 'write' } }, { manage_buckets: true }, true],
    ['another component', { components: ['b'] }, { components: ['a'] }, false],
    ['managing buckets', { manage_buckets: true }, { buckets: { b: 'write' } }, false],
    ['all files', { read_all_files: true }, { manage_buckets: true }, false],
  ])('%s is within a limit, or is not', (_name, asked, limit, isWithin) => {
    expect(narrows(of(asked), of(limit))).toBe(isWithin)
  })

  it('K-22: what is missing is said in the words of what was asked', () => {
    const asked = of({ components: ['a', 'b'], buckets: { x: 'write', y: 'read' }, manage_buckets: true })
    const granted = of({ components: ['a'], buckets: { x: 'read', y: 'write' } })
    expect(missing(asked, granted)).toEqual(['component b', 'write x', 'manage buckets'])
    expect(lines(asked).map(({ risk }) => risk)).toEqual(['medium', 'medium', 'medium', 'low', 'high'])
  })

  it('K-21: names nothing that it does not know', () => {
    expect(KeboolaRights.safeParse({ can_manage_tokens: true }).success).toBe(false)
    expect(KeboolaRights.safeParse({ manageBuckets: true }).success).toBe(false)
    expect(KeboolaRights.parse({ buckets: { x: 'read' } })).toEqual(of({ buckets: { x: 'read' } }))
  })
})

test('rights of a row of the version before, and of one that holds both forms, are read alike', () => {
  const before = { components: [], buckets: {}, manageBuckets: true, readAllFiles: false }
  for (const stored of [before, { ...before, manage_buckets: true, read_all_files: false }])
    expect(
      readRights({ kind: 'keboola', settings: {} }, { asked: stored, granted: null, strategy: 'mint' }),
    ).toMatchObject({
      asked: of({ manage_buckets: true }),
      rights: { asked: [{ text: 'manage buckets', risk: 'high' }], summary: ['manage buckets'] },
    })
})

test.each([
  ['keboola', { components: 7 }],
  ['keboola', null],
  ['a kind of a later version', { slots: [1] }],
])('stored rights of %s that nobody can read are said to be so', (kind, asked) => {
  expect(kinds.get('a kind of a later version')).toBe(undefined)
  const { rights, notGranted } = readRights({ kind, settings: {} }, { asked, granted: asked, strategy: 'mint' })
  const line = { text: 'rights that this version cannot read', risk: 'high' }
  expect(rights, `${asked}`).toMatchObject({ asked: [line], summary: [line.text] })
  expect(notGranted).toEqual([])
})
