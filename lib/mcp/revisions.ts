/** Revisions of the protocol that the gateway speaks, the newest first. From 2026-07-28 on there are no sessions. */
export const revisions = ['2026-07-28', '2025-11-25', '2025-06-18'] as const
export type Revision = (typeof revisions)[number]
export const modern = '2026-07-28'
export const legacy = '2025-11-25'

export const isRevision = (text: unknown): text is Revision => (revisions as readonly unknown[]).includes(text)
export const isModern = (revision: Revision): boolean => revision === modern

/** What a request of the newest revision says of itself (basic/index.mdx, "_meta"). */
export const metaNames = {
  version: 'io.modelcontextprotocol/protocolVersion',
  client: 'io.modelcontextprotocol/clientInfo',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  server: 'io.modelcontextprotocol/serverInfo',
  subscription: 'io.modelcontextprotocol/subscriptionId',
} as const
