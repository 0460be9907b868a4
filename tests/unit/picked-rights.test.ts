import { expect, it } from 'vitest'
import { z } from 'zod'
import { withinSchema } from '../../app/t/[tenant]/projects/[project]/issue/pickers/within-schema.ts'
import { kinds } from '../../lib/providers/index.ts'
import { sortOf } from '../../lib/providers/rules.ts'

it('ASK-08: what a form keeps beside the rights of a way is not sent, and the rest is taken', () => {
  const kind = kinds.get('keboola')
  if (!kind) throw new Error('there is no such kind')
  const kept = { components: [], buckets: {}, manage_buckets: false, read_all_files: false, manage_tokens: false }
  for (const [strategy, picked, sent] of [
    ['exchange', { ...kept, read_project: true }, { read_project: true }],
    ['mint', { ...kept, read_all_files: true, read_project: true }, { ...kept, read_all_files: true }],
  ] as const) {
    const asks = sortOf(kind, strategy).asks ?? kind.rights
    const rights = withinSchema(picked, { ...z.toJSONSchema(asks, { io: 'input' }) })
    expect(rights).toEqual(sent)
    expect(asks.safeParse(rights).success).toBe(true)
    expect(asks.safeParse(picked).success).toBe(false)
  }
  expect(withinSchema(kept, {})).toEqual(kept)
})
