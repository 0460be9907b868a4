import { z } from 'zod'
import type { RightLine } from '../kind.ts'

/** As a server names its tools, prompts and resources: any text of one line. */
const name = z.string().regex(/^[ -~\u00a0-\uffff]{1,500}$/, 'one line of text')
const names = (what: string) => z.array(name).max(500).default([]).describe(what)
const flag = (what: string) => z.boolean().default(false).describe(what)
/** For `meta({ anyOf })`: an object whose property `name` is there and is `such`. */
const atLeast = (name: string, such: object) => ({ required: [name], properties: { [name]: such } })

/** What a token may do at an MCP server; what is absent is not granted. */
export const McpRights = z
  .strictObject({
    tools: names('Tools that it may call, by name'),
    read_only_tools: flag('Call every tool that the server marks as read-only'),
    all_tools: flag('Call every tool, also those that come later'),
    resources: names('Resources that it may read, by URI'),
    all_resources: flag('Read every resource'),
    prompts: names('Prompts that it may get, by name'),
    all_prompts: flag('Get every prompt'),
  })
  // The core refuses rights of which nothing is to be said.
  .meta({
    anyOf: [
      atLeast('tools', { minItems: 1 }),
      atLeast('read_only_tools', { const: true }),
      atLeast('all_tools', { const: true }),
      atLeast('resources', { minItems: 1 }),
      atLeast('all_resources', { const: true }),
      atLeast('prompts', { minItems: 1 }),
      atLeast('all_prompts', { const: true }),
    ],
  })
export type McpRights = z.infer<typeof McpRights>

/** "read-only" is the server's own word for a tool; nobody checks it, and the line says so. */
export const describe = (rights: McpRights): RightLine[] => [
  ...(rights.all_tools ? [{ text: 'call every tool', risk: 'high' as const }] : []),
  ...(rights.read_only_tools ? [{ text: 'call tools that the server marks as read-only', risk: 'low' as const }] : []),
  ...rights.tools.map((name) => ({ text: `call ${name}`, risk: 'medium' as const })),
  ...(rights.all_resources ? [{ text: 'read every resource', risk: 'medium' as const }] : []),
  ...rights.resources.map((uri) => ({ text: `read ${uri}`, risk: 'low' as const })),
  ...(rights.all_prompts ? [{ text: 'get every prompt', risk: 'low' as const }] : []),
  ...rights.prompts.map((name) => ({ text: `get prompt ${name}`, risk: 'low' as const })),
]

const counted = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`

/** "read-only tools", "2 tools", "every resource". */
export const summary = (rights: McpRights): string[] => [
  ...(rights.all_tools ? ['every tool'] : []),
  ...(rights.read_only_tools && !rights.all_tools ? ['read-only tools'] : []),
  ...(rights.tools.length > 0 && !rights.all_tools ? [counted(rights.tools.length, 'tool')] : []),
  ...(rights.all_resources ? ['every resource'] : []),
  ...(rights.resources.length > 0 && !rights.all_resources ? [counted(rights.resources.length, 'resource')] : []),
  ...(rights.all_prompts ? ['every prompt'] : []),
  ...(rights.prompts.length > 0 && !rights.all_prompts ? [counted(rights.prompts.length, 'prompt')] : []),
]

/** What is asked beyond `limit`, in words. A tool by name is within `read_only_tools` only for who knows its marks: not here. */
export function missing(asked: McpRights, limit: McpRights): string[] {
  const beyond = (names: string[], all: boolean, known: string[]) =>
    names.filter((name) => !all && !known.includes(name))
  return describe({
    tools: beyond(asked.tools, limit.all_tools, limit.tools),
    read_only_tools: asked.read_only_tools && !limit.read_only_tools && !limit.all_tools,
    all_tools: asked.all_tools && !limit.all_tools,
    resources: beyond(asked.resources, limit.all_resources, limit.resources),
    all_resources: asked.all_resources && !limit.all_resources,
    prompts: beyond(asked.prompts, limit.all_prompts, limit.prompts),
    all_prompts: asked.all_prompts && !limit.all_prompts,
  }).map(({ text }) => text)
}

export const narrows = (asked: McpRights, limit: McpRights): boolean => missing(asked, limit).length === 0
