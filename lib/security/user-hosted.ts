/**
 * Hosts below which a platform runs what its users write: whoever has a project there can read a code that is sent to one.
 * Data apps of Keboola's stacks are below `hub` (K-40: RISK-76 of keboola/mcp-server).
 */
const userHosted = /(^|\.)hub\.([a-z0-9-]+\.)*keboola\.(com|dev)$/

/** Whether an address is at a host where users of a platform run their code. `beside`: also of this other one, a stack. */
export function isUserHosted(address: string | URL, beside?: string): boolean {
  const host = URL.parse(address)?.hostname.replace(/\.$/, '')
  if (!host) return false
  // connection.acme.example has its users' programs below hub.acme.example.
  const hub = beside === undefined ? undefined : new URL(beside).hostname.replace(/^connection\./, 'hub.')
  return userHosted.test(host) || (hub?.startsWith('hub.') === true && (host === hub || host.endsWith(`.${hub}`)))
}
