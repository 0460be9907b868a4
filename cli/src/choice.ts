import { readFile } from 'node:fs/promises'
import * as z from 'zod/mini'
import { parsed } from './accounts.ts'
import { Failure } from './failure.ts'

const strategies = ['mint', 'exchange', 'narrow', 'proxy', 'sign'] as const

/** What a token is asked with, as it may be kept in a file: nothing of it is secret. */
export const Choice = z.strictObject({
  strategy: z.optional(z.enum(strategies)),
  rights: z.record(z.string(), z.unknown()),
  /** As `--expires` has it. */
  expires: z.optional(z.string()),
})
export type Choice = z.infer<typeof Choice>

/** Rights as somebody gives them: JSON, or a file of it. @throws Failure usage, not_found */
export async function readRights(given: string): Promise<Choice['rights']> {
  if (given.trimStart().startsWith('{')) return parsed(Choice.def.shape.rights, given, '--rights')
  const text = await readFile(given, 'utf8').catch((cause: unknown) => {
    throw new Failure('not_found', `The file of rights cannot be read: ${given}`, { cause, next: 'Check --rights.' })
  })
  return parsed(Choice.def.shape.rights, text, given)
}
