type Cookie = { name: string; value: string; path: string }

/** Cookies of one pretend browser. Keep one for several calls to stay signed in. */
export type Jar = Cookie[]

export type Approval = {
  /** E-mail address of the account to pick. */
  account: string
  /** Id of the project to choose at the stack; the first one otherwise. */
  project?: string
  deny?: boolean
  /** Sees each page on the way. */
  look?: (page: string) => void
  jar?: Jar
}

const HOPS_MAX = 20

/**
 * Walks an authorization request through the demo's pages as a person would, without a browser.
 *
 * @returns the last `Location`, the one back to the client; it is not followed.
 * @throws Error when a page is an error page, or when the stack forgot the request.
 */
export async function approve(authorizeUrl: string, approval: Approval): Promise<string> {
  const jar = approval.jar ?? []
  const { origin } = new URL(authorizeUrl)
  let request: { url: string; form?: Record<string, string> } = { url: authorizeUrl }
  let picked = false
  for (let hop = 0; hop < HOPS_MAX; hop++) {
    const response = await visit(jar, request)
    const location = response.headers.get('location')
    if (location !== null) {
      const next = new URL(location, request.url)
      await response.arrayBuffer()
      if (next.origin !== origin) return next.href
      request = { url: next.href }
      continue
    }
    const page = await response.text()
    approval.look?.(page)
    const kind = /<html[^>]* data-page="([^"]*)"/.exec(page)?.[1]
    const current = /data-current="([^"]*)"/.exec(page)?.[1]
    const { url } = request
    if (kind === 'sign-in') {
      if (approval.deny && page.includes('name="deny"')) request = { url, form: { deny: 'yes' } }
      else if (picked) throw new Error('the sign-in page came twice')
      else {
        request = { url, form: { account: approval.account } }
        picked = true
      }
    } else if (kind === 'consent') {
      const project = approval.project ?? /name="project" value="([^"]*)"/.exec(page)?.[1] ?? ''
      if (current !== approval.account) request = { url, form: { account: approval.account } }
      else request = { url, form: approval.deny ? { deny: 'yes' } : { project, allow: 'yes' } }
    } else if (kind === 'home') {
      throw new Error('the stack forgot the authorization request')
    } else {
      throw new Error(
        `${response.status} at ${new URL(url).pathname}: ${page.replace(/<style[\s\S]*?<\/style>/g, '').slice(0, 2000)}`,
      )
    }
  }
  throw new Error('too many redirects')
}

async function visit(jar: Jar, { url, form }: { url: string; form?: Record<string, string> }): Promise<Response> {
  const { pathname } = new URL(url)
  const sent = jar.filter(
    ({ path }) => pathname === path || pathname.startsWith(path.endsWith('/') ? path : `${path}/`),
  )
  const response = await fetch(url, {
    method: form ? 'POST' : 'GET',
    headers: { cookie: sent.map(({ name, value }) => `${name}=${value}`).join('; ') },
    body: form && new URLSearchParams(form),
    redirect: 'manual',
  })
  for (const line of response.headers.getSetCookie()) keep(jar, line, pathname)
  return response
}

function keep(jar: Jar, line: string, pathname: string): void {
  const [pair = '', ...attributes] = line.split(/;\s*/)
  const name = pair.slice(0, pair.indexOf('='))
  const value = pair.slice(pair.indexOf('=') + 1)
  const attribute = (wanted: string) =>
    attributes.find((text) => text.toLowerCase().startsWith(`${wanted}=`))?.slice(wanted.length + 1)
  const path = attribute('path') ?? pathname
  const index = jar.findIndex((cookie) => cookie.name === name && cookie.path === path)
  if (index >= 0) jar.splice(index, 1)
  const expires = attribute('expires')
  if (value && !(expires && Date.parse(expires) <= Date.now())) jar.push({ name, value, path })
}
