import { BrokerError } from '../errors.ts'

/** The static header that makes every mutation preflight (C-03). */
export const customHeader = 'x-valetkey'

/**
 * The layers in front of everything that changes something by cookie: where the browser says the request comes from,
 * the exact Origin, and a header that no form can send. All that are present must agree.
 * @throws BrokerError cross_site
 */
export function refuseCrossSite(headers: Headers, origin: string): void {
  const site = headers.get('sec-fetch-site')
  const claimed = headers.get('origin')
  // `none` is a person at the address bar, who changes nothing there (C-01).
  if (site !== null && site !== 'same-origin') throw new BrokerError('cross_site')
  if (claimed !== null && claimed !== origin) throw new BrokerError('cross_site')
  // A client without Fetch Metadata has to say its Origin (C-02).
  if (site === null && claimed === null) throw new BrokerError('cross_site')
  if (headers.get(customHeader) !== '1')
    throw new BrokerError('cross_site', { detail: 'Send the header X-Valetkey: 1.' })
}

/**
 * What may finish a flow that began at another site: a person's navigation, and not a browser that only looks ahead, a
 * frame or a script (C-04).
 * @throws BrokerError cross_site
 */
export function requireNavigation(headers: Headers): void {
  const mode = headers.get('sec-fetch-mode') ?? 'navigate'
  const destination = headers.get('sec-fetch-dest') ?? 'document'
  const purpose = `${headers.get('sec-purpose') ?? ''} ${headers.get('purpose') ?? ''}`
  if (mode !== 'navigate' || destination !== 'document' || purpose.includes('prefetch'))
    throw new BrokerError('cross_site', { detail: 'Open this address in a browser window.' })
}
