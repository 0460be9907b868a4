import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import type { Cli } from '../cli.ts'

export const isProxy = (text: string) => URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)

/** The proxy on the way to an address, as undici's EnvHttpProxyAgent chooses it (http.ts). */
export function proxyFor(url: URL, env: Cli['env']): URL | undefined {
  const named =
    url.protocol === 'https:'
      ? env.https_proxy || env.HTTPS_PROXY || env.http_proxy || env.HTTP_PROXY
      : env.http_proxy || env.HTTP_PROXY
  if (!named || !isProxy(named)) return undefined
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  const isPassedBy = (env.no_proxy ?? env.NO_PROXY ?? '')
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry === '*') return true
      const [, host = '', only] = /^(.*?)(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
      const name = host.replace(/^\*?\./, '')
      return (only === undefined || only === port) && (url.hostname === name || url.hostname.endsWith(`.${name}`))
    })
  return isPassedBy ? undefined : new URL(named)
}

/** A connection to an address through a proxy (RFC 9110 9.3.6). */
export const throughProxy = (proxy: URL, { hostname, port }: URL, signal: AbortSignal): Promise<Duplex> =>
  new Promise((resolve, reject) => {
    const authority = `${hostname}:${port || 443}`
    const { username, password } = proxy
    const credentials = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString(
      'base64',
    )
    const asked = (proxy.protocol === 'https:' ? secureRequest : request)({
      host: proxy.hostname,
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: authority,
      headers: { host: authority, ...(username && { 'proxy-authorization': `Basic ${credentials}` }) },
      timeout: 10_000,
      signal,
    })
    asked.once('connect', ({ statusCode }, socket) => {
      if (statusCode === 200) resolve(socket)
      else {
        socket.destroy()
        reject(new Error(`the proxy answers HTTP ${statusCode}`))
      }
    })
    asked.once('timeout', () => asked.destroy(new Error('the proxy does not answer')))
    asked.once('error', reject)
    asked.end()
  })
