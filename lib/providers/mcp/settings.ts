import { z } from 'zod'
import type { ChangeableSetting } from '../kind.ts'
import { OauthSettings } from '../oauth/settings.ts'

const address = z.string().regex(/^https?:\/\//)

/** How a server is told who calls: by tokens of an authorization server, not at all, or by a header whose value is sealed. */
export const Authorization = z.discriminatedUnion('by', [
  z.strictObject({
    by: z.literal('oauth'),
    /** Of the authorization server; its one base is the MCP server itself. */
    oauth: OauthSettings,
    /** How the client came to be known there. */
    registration: z.enum(['given', 'metadata_document', 'dynamic']),
    /** Where a client registers (RFC 7591), as the metadata said when the row was made. */
    registrationEndpoint: address.optional(),
    /** When the server will have forgotten the client, where it said so. Seconds since 1970. */
    clientEndsAt: z.int().optional(),
    /** Whose tokens the server takes, the one in use first. */
    servers: z.array(address).default([]),
  }),
  /** The name in small letters. Its value is the row's secret. */
  z.strictObject({ by: z.literal('header'), name: z.string() }),
  z.strictObject({ by: z.literal('nothing') }),
])
export type Authorization = z.infer<typeof Authorization>

/** Of a row of kind `mcp`, as stored. The address of the server is its only project's external id. */
export const McpSettings = z.strictObject({
  /** The MCP endpoint: the `resource` of its tokens (RFC 8707), spelled as its metadata has it. */
  url: address,
  /** What it calls itself. */
  title: z.string().optional(),
  authorization: Authorization,
  /** PEM, of the CAs that vouch for this upstream beside the public ones. */
  certificates: z.string().optional(),
  /** A tool that is new, or has changed, is held back until somebody has looked at it. */
  holdChangedTools: z.boolean().default(false),
})
export type McpSettings = z.infer<typeof McpSettings>
export type ByOauth = Extract<Authorization, { by: 'oauth' }>

export const changeable: readonly ChangeableSetting[] = [
  {
    name: 'holdChangedTools',
    label: 'Hold back tools that changed',
    hint: 'A tool that is new, or whose description or schema changed, cannot be called until an admin has looked at it.',
    is: 'switch',
    byDefault: false,
  },
]
