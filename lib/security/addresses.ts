import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { type AddressRow, ipv4Rows, ipv6Rows, type Reach } from './special-purpose.ts'

type Network = ReturnType<typeof ipaddr.parseCIDR>

const networks = [...ipv4Rows, ...ipv6Rows]
  .map((row: AddressRow) => ({ network: ipaddr.parseCIDR(row.block), reach: row.reach }))
  .sort((a, b) => b.network[1] - a.network[1])

const holds = ([start, bits]: Network, address: ReturnType<typeof ipaddr.parse>) =>
  start.kind() === address.kind() && address.match(start, bits)

/** How far an address may be reached, by the longest matching block; never, if it is not an address. */
export function reachOf(text: string): Reach {
  if (!isIP(text)) return 'never'
  const address = ipaddr.parse(text)
  return networks.find(({ network }) => holds(network, address))?.reach ?? 'never'
}

/** Whether a CIDR block holds an address. Both must be well-formed; an IPv4 block holds no IPv6 address. */
export const isInBlock = (address: string, block: string): boolean =>
  holds(ipaddr.parseCIDR(block), ipaddr.parse(address))

export const isLoopback = (address: string): boolean =>
  isIP(address) !== 0 && (isInBlock(address, '127.0.0.0/8') || isInBlock(address, '::1/128'))

/** What one customer of a network has around them: carriers put people behind neighbouring IPv4 addresses, and give a site a /48. */
const neighbourhood = { ipv4: 24, ipv6: 48 }

/**
 * Whether two addresses are of one network, as far as addresses tell; undefined where one is not known. An IPv4 and an IPv6
 * address are of two: that they are one site's cannot be seen.
 */
export function isSameNetwork(one: string | null | undefined, other: string | null | undefined): boolean | undefined {
  if (!one || !other || !isIP(one) || !isIP(other)) return undefined
  const [a, b] = [ipaddr.process(one), ipaddr.process(other)]
  return a.kind() === b.kind() && a.match(b, neighbourhood[a.kind()])
}
