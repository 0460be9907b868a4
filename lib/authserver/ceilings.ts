import type { IssuableProject } from '../broker/read/issuable.ts'
import { BrokerError, fieldsOf } from '../errors.ts'
import { configured } from '../providers/index.ts'
import type { Rights } from '../providers/provider.ts'
import { type Language, languageOf } from '../providers/rules.ts'

/**
 * What a program may issue at most for one project: `rights` of tokens of the upstream's, `proxy` of those that work through us.
 * Null: whatever policy allows. Left out: none.
 */
export type Ceiling<R = Record<string, unknown>> = { rights?: R | null | undefined; proxy?: R | null | undefined }

/**
 * The ceilings that a person chose, by project, as the kinds of the projects' providers read them. Only what they can issue
 * themselves can be given on.
 * @throws BrokerError bad_request, with what is wrong where
 */
export function readCeilings(
  given: Record<string, Ceiling>,
  projects: readonly IssuableProject[],
): Record<string, Ceiling<Rights>> {
  return Object.fromEntries(
    Object.entries(given).map(([id, ceiling]) => {
      const project = projects.find((one) => one.id === id)
      const made = project && configured(project.provider)
      if (!made) throw wrong(`ceilings.${id}`, 'is no project that you can issue tokens for')
      const { kind, settings, offers } = made
      const ways = offers.filter(({ offered }) => offered).map(({ strategy }) => strategy)
      const stated = Object.entries(ceiling).flatMap(([name, limit]): [string, Rights | null][] => {
        if (limit === undefined) return []
        const within = ['ceilings', id, name]
        const way = ways.find((strategy) => (strategy === 'proxy') === (name === 'proxy'))
        if (!way) throw wrong(within.join('.'), 'no token is made in this way here')
        return [[name, limit === null ? null : rightsOf(languageOf(kind, way, settings), limit, within)]]
      })
      if (stated.length === 0) throw wrong(`ceilings.${id}`, 'says nothing')
      return [id, Object.fromEntries(stated)]
    }),
  )
}

function rightsOf(language: Language, limit: unknown, within: string[]): Rights {
  const parsed = language.rights.safeParse(limit)
  if (!parsed.success)
    throw new BrokerError('bad_request', { fields: fieldsOf(parsed.error.issues, within.join('.'), within) })
  if (language.describe(parsed.data).length > 0) return parsed.data
  throw wrong(within.join('.'), 'Choose at least one right.')
}

const wrong = (field: string, fault: string) => new BrokerError('bad_request', { fields: { [field]: fault } })
