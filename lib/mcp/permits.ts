import type { McpRights } from '../providers/mcp/rights.ts'
import type { KnownTool } from '../store/mcp.ts'
import { isNameable } from './tools.ts'

export type Verdict = { allowed: true } | { allowed: false; why: string }
const allowed: Verdict = { allowed: true }
const no = (why: string): Verdict => ({ allowed: false, why })

/** What a token may do at one server, and what may be said of it to whoever asks for more. */
export class Permits {
  readonly rights: McpRights
  readonly #holds: boolean
  readonly #tools: Set<string>
  readonly #prompts: Set<string>
  readonly #resources: Set<string>
  readonly #templates: RegExp[]

  /** `holds`: tools that nobody has looked at since they changed are held back. */
  constructor(rights: McpRights, holds: boolean) {
    this.rights = rights
    this.#holds = holds
    this.#tools = new Set(rights.tools)
    this.#prompts = new Set(rights.prompts)
    this.#resources = new Set(rights.resources)
    this.#templates = rights.resources.flatMap((uri) => templateOf(uri) ?? [])
  }

  /** Whether a decision needs what the catalogue knows of a tool. Of a name that no list can hold it knows nothing (IV-01). */
  needsTool(name: string): boolean {
    return isNameable(name) && (this.#holds || !(this.rights.all_tools || this.#tools.has(name)))
  }

  /** `known`: undefined where no list has had it. */
  tool(name: string, known: KnownTool | undefined): Verdict {
    if (!isNameable(name)) return no('The name of the tool is not one line of text.')
    const isNamed = this.rights.all_tools || this.#tools.has(name)
    if (!isNamed && this.rights.read_only_tools && !known)
      return no(
        'It may call tools that the server marks as read-only, and no list of tools has had this one. List the tools first.',
      )
    if (!isNamed && !(this.rights.read_only_tools && known?.readOnly)) return no('It may not call this tool.')
    if (this.#holds && (!known || known.reviewedHash !== known.hash))
      return no('This tool is new or has changed, and an admin has not looked at it yet.')
    return allowed
  }

  prompt(name: string): Verdict {
    return this.rights.all_prompts || this.#prompts.has(name) ? allowed : no('It may not get this prompt.')
  }

  resource(uri: string): Verdict {
    if (uri.length > uriMax) return no('The address of the resource is too long.')
    const isNamed =
      this.rights.all_resources || this.#resources.has(uri) || this.#templates.some((template) => template.test(uri))
    return isNamed ? allowed : no('It may not read this resource.')
  }

  /** A template is named as it is spelled. */
  template(uri: string): Verdict {
    return this.rights.all_resources || this.#resources.has(uri) ? allowed : no('It may not use this template.')
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
