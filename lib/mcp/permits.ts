import type { McpRights } from '../providers/mcp/rights.ts'
import type { KnownTool } from '../store/mcp.ts'
import { isNameable } from './tools.ts'

/** `byPolicy`: no other token or grant would allow it. */
export type Verdict = { allowed: true } | { allowed: false; why: string; byPolicy: boolean }
const allowed: Verdict = { allowed: true }
const no = (why: string, byPolicy = false): Verdict => ({ allowed: false, why, byPolicy })

/** What one set of rights names. */
type Named = {
  rights: McpRights
  tools: Set<string>
  prompts: Set<string>
  resources: Set<string>
  templates: RegExp[]
}

const namedIn = (rights: McpRights): Named => ({
  rights,
  tools: new Set(rights.tools),
  prompts: new Set(rights.prompts),
  resources: new Set(rights.resources),
  templates: rights.resources.flatMap((uri) => templateOf(uri) ?? []),
})

/**
 * What a token may do at one server, and what may be said of it to whoever asks for more: what it was given, and of that what
 * each limit of policy leaves.
 */
export class Permits {
  readonly #holds: boolean
  readonly #given: Named
  readonly #limits: Named[]

  /** `holds`: tools that nobody has looked at since they changed are held back. `limits`: of policy, each of which counts. */
  constructor(rights: McpRights, holds: boolean, limits: readonly McpRights[] = []) {
    this.#holds = holds
    this.#given = namedIn(rights)
    this.#limits = limits.map(namedIn)
  }

  get #all(): Named[] {
    return [this.#given, ...this.#limits]
  }

  /** Whether a decision needs what the catalogue knows of a tool. Of a name that no list can hold it knows nothing (IV-01). */
  needsTool(name: string): boolean {
    return (
      isNameable(name) && (this.#holds || !this.#all.every(({ rights, tools }) => rights.all_tools || tools.has(name)))
    )
  }

  /** `known`: undefined where no list has had it. */
  tool(name: string, known: KnownTool | undefined): Verdict {
    if (!isNameable(name)) return no('The name of the tool is not one line of text.')
    for (const one of this.#all) {
      const { rights, tools } = one
      const isNamed = rights.all_tools || tools.has(name)
      if (!isNamed && rights.read_only_tools && !known)
        return no(
          'It may call tools that the server marks as read-only, and no list of tools has had this one. List the tools first.',
        )
      if (!isNamed && !(rights.read_only_tools && known?.readOnly)) return this.#no(one, 'call this tool')
    }
    if (this.#holds && (!known || known.reviewedHash !== known.hash))
      return no('This tool is new or has changed, and an admin has not looked at it yet.')
    return allowed
  }

  prompt(name: string): Verdict {
    return this.#each('get this prompt', ({ rights, prompts }) => rights.all_prompts || prompts.has(name))
  }

  resource(uri: string): Verdict {
    if (uri.length > uriMax) return no('The address of the resource is too long.')
    return this.#each(
      'read this resource',
      ({ rights, resources, templates }) =>
        rights.all_resources || resources.has(uri) || templates.some((template) => template.test(uri)),
    )
  }

  /** A template is named as it is spelled. */
  template(uri: string): Verdict {
    return this.#each('use this template', ({ rights, resources }) => rights.all_resources || resources.has(uri))
  }

  #each(act: string, names: (one: Named) => boolean): Verdict {
    const refusing = this.#all.find((one) => !names(one))
    return refusing ? this.#no(refusing, act) : allowed
  }

  #no(by: Named, act: string): Verdict {
    return by === this.#given ? no(`It may not ${act}.`) : no(`Policy does not let it ${act}.`, true)
  }
}

/** Longer ones are nobody's, and would take time to compare. */
const uriMax = 8_000

/**
 * URIs that a template stands for (RFC 6570 3.2.2): `{name}` is one piece without a slash, dots alone not being one. Expressions
 * of other kinds, and two with nothing between them that ends the first, stand for nothing. undefined: it is no template.
 */
function templateOf(uri: string): RegExp | undefined {
  const parts = uri.split(/\{(\w{1,60})\}/)
  const between = parts.slice(1, -1).filter((_, index) => index % 2 === 1)
  const isPlain = parts.every((part, index) => index % 2 === 1 || !/[{}]/.test(part))
  if (parts.length < 2 || !isPlain || !between.every((part) => /^[^A-Za-z0-9\-._~%]/.test(part))) return undefined
  const piece =
    '(?!\\.\\.?(?:[^A-Za-z0-9\\-._~%]|$))(?:[A-Za-z0-9\\-._~]|%(?!2[eEfF]|5[cC]|[01]|7[fF]|25)[0-9A-Fa-f]{2})+'
  const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, '\\$&')
  return new RegExp(`^${parts.map((part, index) => (index % 2 === 0 ? escaped(part) : piece)).join('')}$`)
}
