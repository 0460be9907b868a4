/** Where a request may claim to come from without being ours: Origin and Referer of a client without Fetch Metadata (C-02). */
export function foreignOrigins(origin: string): { origin?: string; referer?: string }[] {
  const { protocol, hostname, port } = new URL(origin)
  const other = protocol === 'https:' ? 'http:' : 'https:'
  const claims = [
    'null',
    `${other}//${hostname}:${port}`,
    `${protocol}//${hostname}:${Number(port || 443) + 1}`,
    `${protocol}//${hostname}`.concat(port ? '' : ':8443'),
    `${origin}/`,
    `${origin}.evil.example`,
    `${origin}evil`,
    `${origin}@evil.example`,
    `${protocol}//evil-${hostname}:${port}`,
    `${protocol}//evil.${hostname}:${port}`,
    `${protocol}//${hostname}.:${port}`,
    `${protocol}//${hostname.toUpperCase()}:${port}`,
    `${origin}, ${origin}`,
    `${origin} ${origin}`,
    'https://evil.example',
    'file://',
    'chrome-extension://abcdefghijklmnop',
    '*',
    `${hostname}:${port}`,
    '',
  ]
  return [
    ...claims.map((claim) => ({ origin: claim })),
    // Ours as it stands in a Referer is no Origin, beside none or beside another's.
    {},
    { referer: `${origin}/t/acme/projects` },
    { referer: `${origin}/`, origin: 'https://evil.example' },
    { referer: 'https://evil.example/', origin: 'null' },
  ]
}
