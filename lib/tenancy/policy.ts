import type { Role } from '../actor.ts'
import { BrokerError } from '../errors.ts'
import type { Kind } from '../providers/kind.ts'
import type { Rights } from '../providers/provider.ts'
import type { ReadTx } from '../store/database.ts'
import { type OverLife, type PolicyLevel, type PolicyRow, policiesAt } from '../store/policies.ts'

/** A value, and the level that set it. */
export type Stated<T> = { value: T; setBy: PolicyLevel }
export type LifetimeCap = { seconds: number; setBy: PolicyLevel }

/** What is allowed: the strictest that the levels say. Where several limits apply, each of them does. */
export type Policy = {
  /** Longest life of an issued token. */
  lifetime: LifetimeCap
  /** What becomes of a token that its upstream lets live longer than that. */
  overLife: Stated<OverLife>
  /** How many living tokens a member may hold: a runaway script is stopped before it fills the upstream. */
  tokens: Stated<number>
  strategies: Stated<string[]>[]
  linkRoles: Stated<Role[]>[]
  issueRoles: Stated<Role[]>[]
  rights: Stated<unknown>[]
  /** Whom the member may become at the upstream. */
  impersonates: string[]
}

/** What every tenant begins with, until it says otherwise. */
const initial = { maxLifetimeSeconds: 8 * 3600, maxTokens: 100 }

/** `project` is absent where it is not known yet: a link that starts. */
export type PolicyQuestion = { tenantId: string; providerId: string; projectId?: string | undefined; userId: string }

/** What applies to a person at a project, with who set each value. */
export const effectivePolicy = async (tx: ReadTx, { tenantId, ...question }: PolicyQuestion): Promise<Policy> =>
  policyOf(await policiesAt(tx, tenantId, question), question.userId)

/** What several levels say, the widest first, taken together for a person. Of equal values the narrowest level's is told. */
export function policyOf(rows: PolicyRow[], userId: string): Policy {
  const stated = <Field extends Exclude<keyof PolicyRow, 'level' | 'targetId'>>(field: Field) =>
    rows.flatMap(({ level, [field]: value }): Stated<NonNullable<PolicyRow[Field]>>[] =>
      value === null ? [] : [{ value, setBy: level }],
    )
  const least = (field: keyof typeof initial): Stated<number> => {
    const said = stated(field)
    const isTenants = said[0]?.setBy === 'tenant'
    const all: Stated<number>[] = isTenants ? said : [{ value: initial[field], setBy: 'tenant' }, ...said]
    return all.reduce((strictest, next) => (next.value <= strictest.value ? next : strictest))
  }
  const { value: seconds, setBy } = least('maxLifetimeSeconds')
  const overLife = stated('overLife')
  return {
    lifetime: { seconds, setBy },
    overLife: overLife.findLast(({ value }) => value === 'refuse') ??
      overLife.at(-1) ?? { value: 'refuse', setBy: 'tenant' },
    tokens: least('maxTokens'),
    strategies: stated('strategies'),
    linkRoles: stated('linkRoles'),
    issueRoles: stated('issueRoles'),
    rights: stated('rights'),
    // One level alone says it, and nothing said is nobody.
    impersonates: stated('impersonation').flatMap(({ value }) =>
      Object.hasOwn(value, userId) ? (value[userId] ?? []) : [],
    ),
  }
}

/** `kind` judges the rights, and says what is beyond a limit. @throws BrokerError over_policy, with the value and the level that set it */
export function refuseIssue(
  policy: Policy,
  asked: { role: Role; strategy: string; seconds: number; rights: Rights },
  kind: Pick<Kind, 'narrows' | 'missing' | 'impersonates'>,
): void {
  refuseRole(policy.issueRoles, asked.role, 'issue')
  const { seconds, setBy } = policy.lifetime
  if (asked.seconds > seconds) throw over(`At most ${seconds} seconds`, setBy)
  for (const { value, setBy } of policy.strategies)
    if (!value.includes(asked.strategy)) throw over(`${listed(value, 'No strategy')} may be used`, setBy)
  const other = kind.impersonates?.(asked.rights)
  if (other !== undefined && !policy.impersonates.includes(other))
    throw new BrokerError('over_policy', {
      detail: `You may not get tokens about ${other}: an admin has to name you both.`,
    })
  for (const { value, setBy } of policy.rights) {
    const limit = value as Rights
    if (!kind.narrows(asked.rights, limit))
      throw over(`Beyond the limit of rights: ${kind.missing(asked.rights, limit).join(', ')}`, setBy)
  }
}

/** @throws BrokerError over_policy */
export const refuseLink = (policy: Policy, role: Role): void => refuseRole(policy.linkRoles, role, 'link')

function refuseRole(allowed: Stated<Role[]>[], role: Role, act: 'link' | 'issue'): void {
  for (const { value, setBy } of allowed)
    if (!value.includes(role)) throw over(`${listed(value, 'Nobody')} may ${act}`, setBy)
}

const listed = (values: string[], none: string) => (values.length > 0 ? `Only ${values.join(', ')}` : none)
const over = (limit: string, setBy: PolicyLevel) =>
  new BrokerError('over_policy', { detail: `${limit}, set ${setBy === 'person' ? 'for you' : `by the ${setBy}`}.` })
