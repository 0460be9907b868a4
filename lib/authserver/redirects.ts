/** Whether an address is one of those that are registered: to the letter, but for the port of a loopback address (RFC 8252 7.3). */
export function matchRedirect(registered: readonly string[], given: string): boolean {
  if (registered.includes(given)) return true
  const loopback = /^(http:\/\/(?:127\.0\.0\.1|\[::1\]))(?::\d{1,5})?(\/[^#]*)?$/
  const without = (text: string) => loopback.exec(text)?.slice(1).join('')
  const asked = URL.canParse(given) ? without(given) : undefined
  return asked !== undefined && registered.some((one) => without(one) === asked)
}
