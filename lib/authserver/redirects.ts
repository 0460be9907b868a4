/** An http address at a loopback: before its port, and from its path on. Ports as browsers write them. */
const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]|localhost))(?::[1-9]\d{0,4})?(\/.*)$/s

const withoutPort = (uri: string) => loopback.exec(uri)?.slice(1).join('')

/**
 * Whether a redirect URI is one of those that are registered: to the letter (RFC 9700 2.1), but for the port of a loopback, which
 * native apps learn from their system when they start (RFC 8252 7.3). The host is as it is registered: `localhost`, which public
 * clients alone have (8.3), is none of the literals, and none of them is it.
 */
export function matchRedirect(registered: readonly string[], given: string): boolean {
  if (registered.includes(given)) return true
  // A port that is none, such as 99999.
  if (!URL.canParse(given)) return false
  const asked = withoutPort(given)
  return asked !== undefined && registered.some((one) => withoutPort(one) === asked)
}
