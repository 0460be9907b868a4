import { BrokerError } from '../errors.ts'
import type { Rights } from '../providers/provider.ts'
import { type Language, readLimit } from '../providers/rules.ts'
import type { Ceilings } from '../store/grants.ts'

/** `language`: in which words the rights are. @throws BrokerError beyond_grant, with what exceeds */
export function refuseBeyondGrant(
  ceilings: Ceilings | undefined,
  asked: { project: { id: string; alias: string }; strategy: string; rights: Rights },
  language: Language,
): void {
  if (!ceilings) return
  const { project, strategy, rights } = asked
  const ceiling = Object.hasOwn(ceilings, project.id) ? ceilings[project.id] : undefined
  const stated = strategy === 'proxy' ? ceiling?.proxy : ceiling?.rights
  if (stated === null) return
  const limit = stated === undefined ? undefined : readLimit(language, stated)
  if (!limit) {
    const what = !ceiling ? 'nothing' : strategy === 'proxy' ? 'no token through Valetkey' : 'no token of the upstream'
    throw new BrokerError('beyond_grant', { detail: `It may issue ${what} for ${project.alias}.` })
  }
  if (!language.narrows(rights, limit))
    throw new BrokerError('beyond_grant', {
      detail: `Beyond what it may issue for ${project.alias}: ${language.missing(rights, limit).join(', ')}.`,
    })
}
