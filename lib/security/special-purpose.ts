/**
 * Data of the outbound guard: which addresses, names and ports are not the public internet's web servers.
 *
 * How far an address may be reached:
 * - `global`: always.
 * - `inside`: only where VALETKEY_INTERNAL_HOSTS names it.
 * - `never`: no setting opens it: credentials of the machine are served there, it is no single host, or it hides another
 *   address inside.
 */
export type Reach = 'global' | 'inside' | 'never'

export type AddressRow = { block: string; name: string; source: string; reach: Reach }

/**
 * IANA IPv4 Special-Purpose Address Registry as of 2025-10-09 (its column "Globally Reachable"; N/A counts as false), with
 * multicast from the address space registry and the clouds' metadata addresses. The longest matching block decides.
 * Stricter than the registry: the PCP and TURN anycast addresses are answered by the network that we stand in.
 */
export const ipv4Rows: readonly AddressRow[] = [
  { block: '0.0.0.0/0', name: 'Everything else', source: 'RFC 6890', reach: 'global' },
  { block: '0.0.0.0/8', name: 'This network', source: 'RFC 791 3.2', reach: 'never' },
  { block: '0.0.0.0/32', name: 'This host on this network', source: 'RFC 1122 3.2.1.3', reach: 'never' },
  { block: '10.0.0.0/8', name: 'Private use', source: 'RFC 1918', reach: 'inside' },
  { block: '100.64.0.0/10', name: 'Shared address space', source: 'RFC 6598', reach: 'inside' },
  { block: '100.100.100.200/32', name: 'Metadata of Alibaba Cloud', source: 'Alibaba Cloud ECS', reach: 'never' },
  { block: '127.0.0.0/8', name: 'Loopback', source: 'RFC 1122 3.2.1.3', reach: 'inside' },
  { block: '168.63.129.16/32', name: 'Platform address of Azure', source: 'Azure Virtual Network', reach: 'never' },
  { block: '169.254.0.0/16', name: 'Link local, metadata of most clouds', source: 'RFC 3927', reach: 'never' },
  { block: '172.16.0.0/12', name: 'Private use', source: 'RFC 1918', reach: 'inside' },
  { block: '192.0.0.0/24', name: 'IETF protocol assignments', source: 'RFC 6890 2.1', reach: 'never' },
  { block: '192.0.0.0/29', name: 'IPv4 service continuity', source: 'RFC 7335', reach: 'never' },
  { block: '192.0.0.8/32', name: 'IPv4 dummy address', source: 'RFC 7600', reach: 'never' },
  { block: '192.0.0.9/32', name: 'Port Control Protocol anycast', source: 'RFC 7723', reach: 'never' },
  { block: '192.0.0.10/32', name: 'TURN anycast', source: 'RFC 8155', reach: 'never' },
  { block: '192.0.0.170/31', name: 'NAT64/DNS64 discovery', source: 'RFC 8880', reach: 'never' },
  { block: '192.0.0.192/32', name: 'Metadata of Oracle Cloud', source: 'Oracle Cloud Compute', reach: 'never' },
  { block: '192.0.2.0/24', name: 'Documentation (TEST-NET-1)', source: 'RFC 5737', reach: 'inside' },
  { block: '192.31.196.0/24', name: 'AS112-v4', source: 'RFC 7535', reach: 'global' },
  { block: '192.52.193.0/24', name: 'AMT', source: 'RFC 7450', reach: 'global' },
  { block: '192.88.99.0/24', name: 'Deprecated 6to4 relay anycast', source: 'RFC 7526', reach: 'never' },
  { block: '192.88.99.2/32', name: '6a44 relay anycast', source: 'RFC 6751', reach: 'never' },
  { block: '192.168.0.0/16', name: 'Private use', source: 'RFC 1918', reach: 'inside' },
  { block: '192.175.48.0/24', name: 'Direct delegation AS112', source: 'RFC 7534', reach: 'global' },
  { block: '198.18.0.0/15', name: 'Benchmarking', source: 'RFC 2544', reach: 'inside' },
  { block: '198.51.100.0/24', name: 'Documentation (TEST-NET-2)', source: 'RFC 5737', reach: 'inside' },
  { block: '203.0.113.0/24', name: 'Documentation (TEST-NET-3)', source: 'RFC 5737', reach: 'inside' },
  { block: '224.0.0.0/4', name: 'Multicast', source: 'RFC 5771', reach: 'never' },
  { block: '240.0.0.0/4', name: 'Reserved', source: 'RFC 1112 4', reach: 'never' },
  { block: '255.255.255.255/32', name: 'Limited broadcast', source: 'RFC 8190', reach: 'never' },
]

/**
 * IANA IPv6 Special-Purpose Address Registry as of 2025-10-09. Only 2000::/3 is allocated as global unicast (RFC 4291
 * 2.4, RFC 3587); all else is refused, listed or not. Stricter than the registry: every form that embeds an IPv4 address,
 * since what is behind the translator cannot be seen (F-03), and what is answered by the network that we stand in.
 */
export const ipv6Rows: readonly AddressRow[] = [
  { block: '::/0', name: 'Not allocated', source: 'RFC 4291 2.4', reach: 'never' },
  { block: '::/96', name: 'IPv4-compatible (deprecated)', source: 'RFC 4291 2.5.5.1', reach: 'never' },
  { block: '::/128', name: 'Unspecified', source: 'RFC 4291', reach: 'never' },
  { block: '::1/128', name: 'Loopback', source: 'RFC 4291', reach: 'inside' },
  { block: '::ffff:0:0/96', name: 'IPv4-mapped', source: 'RFC 4291', reach: 'never' },
  { block: '::ffff:0:0:0/96', name: 'IPv4-translated (deprecated)', source: 'RFC 2765', reach: 'never' },
  { block: '64:ff9b::/96', name: 'IPv4-IPv6 translation', source: 'RFC 6052', reach: 'never' },
  { block: '64:ff9b:1::/48', name: 'IPv4-IPv6 translation, local use', source: 'RFC 8215', reach: 'never' },
  { block: '100::/64', name: 'Discard only', source: 'RFC 6666', reach: 'never' },
  { block: '100:0:0:1::/64', name: 'Dummy prefix', source: 'RFC 9780', reach: 'never' },
  { block: '2000::/3', name: 'Global unicast', source: 'RFC 3587', reach: 'global' },
  { block: '2001::/23', name: 'IETF protocol assignments', source: 'RFC 2928', reach: 'never' },
  { block: '2001::/32', name: 'Teredo', source: 'RFC 4380', reach: 'never' },
  { block: '2001:1::1/128', name: 'Port Control Protocol anycast', source: 'RFC 7723', reach: 'never' },
  { block: '2001:1::2/128', name: 'TURN anycast', source: 'RFC 8155', reach: 'never' },
  { block: '2001:1::3/128', name: 'DNS-SD registration anycast', source: 'RFC 9665', reach: 'never' },
  { block: '2001:2::/48', name: 'Benchmarking', source: 'RFC 5180', reach: 'inside' },
  { block: '2001:3::/32', name: 'AMT', source: 'RFC 7450', reach: 'global' },
  { block: '2001:4:112::/48', name: 'AS112-v6', source: 'RFC 7535', reach: 'global' },
  { block: '2001:10::/28', name: 'Deprecated ORCHID', source: 'RFC 4843', reach: 'never' },
  { block: '2001:20::/28', name: 'ORCHIDv2', source: 'RFC 7343', reach: 'global' },
  { block: '2001:30::/28', name: 'Drone Remote ID entity tags', source: 'RFC 9374', reach: 'global' },
  { block: '2001:db8::/32', name: 'Documentation', source: 'RFC 3849', reach: 'inside' },
  { block: '2002::/16', name: '6to4', source: 'RFC 3056', reach: 'never' },
  { block: '2620:4f:8000::/48', name: 'Direct delegation AS112', source: 'RFC 7534', reach: 'global' },
  { block: '3fff::/20', name: 'Documentation', source: 'RFC 9637', reach: 'inside' },
  { block: '5f00::/16', name: 'Segment routing SIDs', source: 'RFC 9602', reach: 'never' },
  { block: 'fc00::/7', name: 'Unique local', source: 'RFC 4193', reach: 'inside' },
  { block: 'fd00:ec2::/32', name: 'Metadata and services of AWS', source: 'Amazon EC2', reach: 'never' },
  { block: 'fd20:ce::254/128', name: 'Metadata of Google Cloud', source: 'Google Compute Engine', reach: 'never' },
  { block: 'fe80::/10', name: 'Link local', source: 'RFC 4291', reach: 'never' },
  { block: 'fec0::/10', name: 'Site local (deprecated)', source: 'RFC 3879', reach: 'never' },
  { block: 'ff00::/8', name: 'Multicast', source: 'RFC 4291 2.7', reach: 'never' },
]

/**
 * Top labels under which names belong to a machine or a local network. Names of one label are refused as well: they are
 * completed by the resolver's search list, or are known to it alone (`metadata`, `instance-data`).
 */
export const localTopLabels: ReadonlySet<string> = new Set([
  'localhost', // RFC 6761 6.3
  'localdomain',
  'local', // RFC 6762
  'internal', // ICANN resolution 2024.07.29.06; the metadata names of clouds are under it
  'arpa', // home.arpa, RFC 8375
  'lan',
  'intranet',
  'onion', // RFC 7686
  'alt', // RFC 9476
])

/** Ports over 1023 where something else than a web server listens by convention. Below 1024 only 443 is allowed. */
export const servicePorts: ReadonlySet<number> = new Set([
  1080, // SOCKS
  1433, // SQL Server
  1521, // Oracle
  1719, // H.323 and the next ones to 10080: "bad ports" of the Fetch standard (2.9)
  1720,
  1723,
  2049,
  3659,
  4045,
  4190,
  5060,
  5061,
  6000,
  6566,
  6665,
  6666,
  6667,
  6668,
  6669,
  6679,
  6697,
  10080,
  2181, // ZooKeeper
  2375, // Docker
  2376,
  2379, // etcd
  2380,
  3306, // MySQL
  3389, // RDP
  5432, // Postgres
  5671, // AMQP
  5672,
  5900, // VNC
  5984, // CouchDB
  5985, // WinRM
  5986,
  6379, // Redis
  6432, // PgBouncer
  8086, // InfluxDB
  8125, // StatsD
  9042, // Cassandra
  9092, // Kafka
  9200, // Elasticsearch
  9300,
  10250, // kubelet
  10255,
  11211, // memcached
  26379, // Redis Sentinel
  27017, // MongoDB
])
