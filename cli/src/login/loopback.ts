import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as oauth from 'oauth4webapi'
import { openBrowser } from '../browser.ts'
import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { client, failureOf, persistently, requests, serverOf } from '../oauth.ts'

/** Seconds that a person has at the browser (K-13). */
const patienceSeconds = 300

/** This machine, or its browser, cannot do it: another way may. The message says why. */
export class NoLoopback extends Error {
  override readonly name = 'NoLoopback'
}

/** Signs in through a browser of this machine (RFC 8252 with PKCE). @throws Failure, NoLoopback */
export async function byLoopback(
  cli: Cli,
  { server: origin, scope, fresh }: { server: string; scope: string; fresh: boolean },
): Promise<oauth.TokenEndpointResponse> {
  const server = serverOf(origin)
  const listener = await listen()
  try {
    const redirect = `http://127.0.0.1:${(listener.address() as AddressInfo).port}/callback`
    const verifier = oauth.generateRandomCodeVerifier()
    const state = oauth.generateRandomState()
    const url = new URL(`${origin}/oauth/authorize`)
    url.search = new URLSearchParams({
      client_id: client.client_id,
      response_type: 'code',
      redirect_uri: redirect,
      scope,
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      ...(fresh && { prompt: 'login' }),
    }).toString()
    const answered = callback(cli, listener, state)
    // It may be awaited too late to be heard.
    answered.catch(() => {})
    if (!(await openBrowser(cli, url.href))) throw new NoLoopback('no browser could be opened')
    cli.out.note('Go on in your browser. If it did not open, open this address:')
    cli.out.note('  ', { text: url.href, style: 'underline' })
    cli.out.progress('Waiting for you in the browser …')
    const parameters = oauth.validateAuthResponse(server, client, await answered, state)
    return await persistently(cli, 4, async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        server,
        client,
        oauth.None(),
        parameters,
        redirect,
        verifier,
        requests(cli),
      )
      return oauth.processAuthorizationCodeResponse(server, client, response)
    })
  } catch (error) {
    if (error instanceof NoLoopback) throw error
    if (error instanceof oauth.AuthorizationResponseError)
      throw error.error === 'access_denied'
        ? new Failure('denied', 'The request was denied.', {
            code: error.error,
            cause: error,
            next: 'Start again if that was a mistake: valetkey login',
          })
        : new Failure('refused', error.error_description ?? error.error, { code: error.error, cause: error })
    throw failureOf(error, origin)
  } finally {
    listener.close()
    listener.closeAllConnections()
  }
}

const listen = (): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (cause) => reject(new NoLoopback('no port of this machine can be listened on', { cause })))
    server.listen(0, '127.0.0.1', () => resolve(server))
  })

/**
 * What the browser brings back. Only an answer with our state counts, and the first of them: anybody on this machine may
 * knock here.
 */
async function callback(cli: Cli, server: Server, state: string): Promise<URLSearchParams> {
  const timeout = AbortSignal.timeout(patienceSeconds * 1000)
  const signal = AbortSignal.any([cli.signal, timeout])
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () =>
      reject(
        timeout.aborted
          ? new Failure('denied', 'Nobody answered in the browser in time.', {
              code: 'expired',
              next: 'Start again, or without a browser of this machine: valetkey login --device',
            })
          : signal.reason,
      ),
    )
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
      if (request.method !== 'GET' || pathname !== '/callback')
        return page(response, 404, 'Nothing is here', 'Close this tab.')
      if (searchParams.get('state') !== state)
        return page(
          response,
          400,
          'This is not the answer that was waited for',
          'Close this tab, and use the one that valetkey opened.',
        )
      // Whether it works is not known yet.
      if (searchParams.has('error')) page(response, 200, 'Nothing was allowed', 'You can close this tab.')
      else page(response, 200, 'Go back to your terminal', 'valetkey goes on there. You can close this tab.')
      // Its last octet, so that closing the listener cuts nothing off.
      response.once('close', () => resolve(searchParams))
    })
  })
}

/** No address, script or frame: only words of ours. */
function page(response: ServerResponse, status: number, title: string, text: string): void {
  response.writeHead(status, {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    connection: 'close',
  })
  response.end(`<!doctype html>
<html lang="en">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>${title} · Valetkey</title>
<style>body{font:16px/1.5 system-ui;max-width:34rem;margin:20vh auto;padding:0 1rem}h1{font-size:1.4rem}</style>
<main><h1>${title}</h1><p>${text}</p></main>
</html>
`)
}
