// What the proxy lets pass of a request's head, as pure functions: the tricks that are known, and ten thousand that are not.
import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { isBrokerError } from '../../lib/errors.ts'
import { matcherOf } from '../../lib/providers/rules.ts'
import { requestHeaders, responseHeaders } from '../../lib/proxy/headers.ts'
import { overrideGuard } from '../../lib/proxy/overrides.ts'
import { judgePath, judgeSearch, targetOf } from '../../lib/proxy/target.ts'
import { trickyPath } from '../support/tricky-paths.ts'

const passes = (path: string, search = ''): boolean => {
  try {
    judgePath({ slug: 'acme', project: 'p', path, search })
    judgeSearch({ slug: 'acme', project: 'p', path, search }, ['key'])
    return true
  } catch (error) {
    if (!isBrokerError(error, 'path_refused', 'header_refused')) throw error
    return false
  }
}

/** Each as one segment, in front, in the middle and at the end of a path. */
const refusedSegments = [
  '.',
  '..',
  '...;'.slice(1),
  '.;',
  '..;',
  '..;a=b',
  '.;a',
  ';',
  ';a=b',
  '..%3b',
  '.%3Ba',
  '%3b',
  '..%20',
  '%20.',
  '%2e',
  '%2E',
  '%2e%2e',
  '%2E%2E',
  '.%2e',
  '%2e.',
  '..%2f',
  '%2f',
  '%2F',
  'a%2fb',
  'a%2Fb',
  '%5c',
  '%5C',
  'a%5cb',
  '..%5c..',
  '\\',
  'a\\b',
  '..\\..',
  '%252e',
  '%252e%252e',
  '%252f',
  'a%252Fb',
  '%255c',
  '%25252e',
  // Encoded twice, with as little of it encoded as will do.
  '%25%32%65%25%32%65',
  '%25%32e',
  '%252%65',
  'a%25%32%66b',
  '%EF%BC%852e%EF%BC%852e',
  // What a server that decodes and then rewrites ends at a question mark or a hash.
  '..%3Fx',
  '..%3f',
  '..%23',
  '.%23x',
  // Slashes and dots of other scripts.
  '..%E2%88%95..',
  'a%E2%88%95b',
  'a%E2%81%84b',
  'a%E2%88%96b',
  '%E3%80%82%E3%80%82',
  '%EF%BD%A1%EF%BD%A1',
  '%2500',
  '%c0%ae',
  '%c0%ae%c0%ae',
  '%c0%af',
  '%c1%9c',
  '%e0%80%ae',
  '%e0%80%af',
  '%f0%80%80%ae',
  '%f8%80%80%80%ae',
  '%ed%a0%80',
  '%ff',
  '%fe%ff',
  '%80',
  '%ef%bc%8f',
  '%ef%bc%bc',
  '%ef%bc%8e',
  '%ef%bc%8e%ef%bc%8e',
  '%e2%80%a5',
  'a%ef%bc%8fb',
  '%ef%b9%a8',
  '%00',
  'a%00',
  'a%00.json',
  '%0a',
  '%0d%0a',
  'a%0d%0aHost:%20x',
  '%09',
  '%1f',
  '%7f',
  '%',
  '%2',
  '%zz',
  '%u002e',
  '%u2215',
  'a b',
  'a\tb',
  'a\u0000b',
  'a\u00e9b',
  'é',
  '．',
  '。。',
  '／',
  'a"b',
  'a<b',
  'a>b',
  'a^b',
  'a`b',
  'a{b}',
  'a|b',
  'a[b]',
  'a#b',
]

describe('IV-08: a path that two servers could read in two ways does not pass', () => {
  test.each(refusedSegments)('%j', (segment) => {
    for (const path of [`/${segment}`, `/${segment}/a`, `/a/${segment}/b`, `/a/${segment}`, `/public/${segment}/admin`])
      expect([path, passes(path)]).toEqual([path, false])
  })

  it.each([
    '//',
    '//a',
    '/a//b',
    '/a///',
    '/a//',
    '/public//..//admin',
    '//evil.example/a',
    '/a/./b',
    '/a/../b',
    '/./',
    '/../',
  ])('%s', (path) => expect(passes(path)).toBe(false))

  it.each([
    '/',
    '/a',
    '/a/',
    '/a/b.json',
    '/a/..b',
    '/a/b..',
    '/a/...',
    '/a/.well-known/x',
    '/~me/a',
    '/a,b',
    "/a'b",
    '/a(b)',
    '/a:b',
    '/@a/b',
    '/a=b',
    '/a+b',
    '/a;b=c/d',
    '/caf%C3%A9',
    '/a%20b',
    '/%E6%97%A5',
    '/a%3Fb',
    '/a%23b',
    '/directory/room/%23alias:example.org',
    '/a/what%3F',
    '/100%25',
    '/a/%C2%BD',
    '/a!b$c&d*e',
  ])('what is plain passes: %s', (path) => expect(passes(path)).toBe(true))

  it.each(['?a=b#c', '?a=\\', '?a=\u0000', '?a=%00', '?a=%ff', '?a b', '?é'])('a query %j does not', (search) =>
    expect(passes('/a', search)).toBe(false),
  )
  it.each([
    '',
    '?',
    '?a',
    '?a=b&c[]=d',
    '?a={b}|c^d',
    '?a=%',
    '?q=%2e%2e%2f',
    '?page=2&key2=1',
    '?pageToken=1&next_token=2',
  ])('a query %j does', (search) => expect(passes('/a', search)).toBe(true))

  it('an address is the proxy’s only as it is documented, and what follows is taken as it is', () => {
    const at = '/api/v1/tenants/acme/projects/p/proxy'
    expect(targetOf(`${at}/a//b?c=%2e`)).toEqual({ slug: 'acme', project: 'p', path: '/a//b', search: '?c=%2e' })
    expect(targetOf(at)).toMatchObject({ path: '/', search: '' })
    expect(targetOf(`${at}?a`)).toMatchObject({ path: '/', search: '?a' })
    for (const other of [
      `${at}x`,
      `/${at}`,
      at.toUpperCase(),
      at.replace('acme', 'ac%6de'),
      at.replace('/p/', '/../'),
      `http://x${at}/a`,
      `${at.replace('proxy', 'proxy;x')}/a`,
    ])
      expect([other, targetOf(other)]).toEqual([other, undefined])
  })
})

describe('V-09: a query holds no credentials and no method', () => {
  it.each([
    'access_token',
    'token',
    'Token',
    'api_key',
    'apikey',
    'API-KEY',
    'api.key',
    'private_token',
    'job_token',
    'auth_token',
    'oauth_token',
    'id_token',
    'refresh_token',
    'client_secret',
    'password',
    'authorization',
    'X-Amz-Signature',
    'X-Amz-Credential',
    'X-Goog-Signature',
    'jwt',
    'assertion',
    'session_token',
    'sessionid',
    'access%5Ftoken',
    '%61ccess_token',
    'access_token[]',
    'access_token[a]',
    'access_token.a',
    'key',
    '_method',
    '_Method',
    '%5fmethod',
    'X-HTTP-Method-Override',
    'x_http_method_override',
    'httpMethod',
    'methodOverride',
    // As Rack and qs, and as PHP read names.
    '[_method]',
    '%5B_method%5D',
    '[[_method',
    '_method]',
    '.method',
    '+_method',
    '[access_token]',
    'access[token',
    'access.token',
    // Beside an escape that is none, and as ASP.NET reads one.
    '%5Fmethod[%zz]',
    'access%5Ftoken[%zz]',
    '%u0058-HTTP-Method-Override',
    'access%u005ftoken',
  ])('%s', (name) => {
    for (const search of [`?${name}=x`, `?a=b&${name}=x`, `?a=b;${name}=x`, `?${name}`])
      expect([search, passes('/a', search)]).toEqual([search, false])
  })
  it.each(['method=delete', 'METHOD=Put', '%6dethod=PATCH', 'method=%20post'])(
    '%s is another method to an API that is widely used',
    (part) => expect(passes('/a', `?${part}`)).toBe(false),
  )
  it.each([
    'method=get',
    'method=flickr.photos.search',
    'filter[method]=post',
    'token_type=x',
    'pageToken=x',
    'q=access_token=x',
    'method=x',
    'keys=x',
    'tokens=x',
    'monkey=x',
  ])('%s is another thing', (part) => expect(passes('/a', `?${part}`)).toBe(true))
})

describe('headers', () => {
  const sent = (...raw: string[]) => requestHeaders(raw, { requestHeaders: ['x-api-version'] })

  it('pass by a list, whatever else is sent; what a preset adds passes too', () => {
    expect(
      sent(
        'Accept',
        'a',
        'X-Api-Version',
        '1',
        'X-Other',
        'b',
        'Cookie',
        'c',
        'Host',
        'd',
        'Authorization',
        'e',
        'Origin',
        'f',
        'X-Request-Id',
        'g',
      ),
    ).toEqual(['accept', 'a', 'x-api-version', '1'])
  })

  it.each([
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
    'x_http_method_override',
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Forwarded-Prefix',
    // Persons, at ten APIs and the proxies in front of others.
    'Impersonate-User',
    'Impersonate-Group',
    'Impersonate-Extra-scopes',
    'Sudo',
    'As-User',
    'Dropbox-API-Select-User',
    'Dropbox-API-Select-Admin',
    'X-Zendesk-On-Behalf-Of',
    'X-On-Behalf-Of',
    'Stripe-Account',
    'X-Goog-User-Project',
    'X-Goog-IAM-Authorization-Token',
    'MSCRMCallerID',
    'CallerObjectId',
    'X-MS-Client-Principal',
    'X-MS-Client-Principal-Id',
    'X-Grafana-User',
    'X-WebAuth-User',
    'X-Remote-User',
    'Remote-User',
    'X-Forwarded-User',
    'X-Auth-Request-Email',
    'X-Acting-As',
    'X-User-Id',
    // Credentials.
    'Proxy-Authorization',
    'X-Api-Key',
    'Api-Key',
    'Private-Token',
    'Job-Token',
    'X-Auth-Token',
    'X-Access-Token',
    'X-StorageApi-Token',
    'X-Vault-Token',
    'X-Amz-Security-Token',
    'X-Shopify-Access-Token',
    'private_token',
    'X-SSL-Client-Cert',
    'Service-Worker',
  ])('%s is refused', (name) => {
    expect(() => sent('accept', 'a', name, 'x')).toThrow(expect.objectContaining({ code: 'header_refused' }))
    expect(() => sent(name.toUpperCase(), 'x')).toThrow(expect.objectContaining({ code: 'header_refused' }))
  })

  it.each(['authorization', 'host', 'content-length', 'accept', 'close, x-api-version', 'keep-alive, cookie'])(
    'a connection that names %s is refused',
    (value) => expect(() => sent('Connection', value)).toThrow(expect.objectContaining({ code: 'header_refused' })),
  )
  it('hop-by-hop headers stay behind', () => {
    expect(
      sent(
        'Connection',
        'keep-alive',
        'Keep-Alive',
        'x',
        'TE',
        'trailers',
        'Trailer',
        'x',
        'Transfer-Encoding',
        'chunked',
        'Upgrade',
        'h2c',
        'Proxy-Connection',
        'x',
        'Expect',
        '100-continue',
        'HTTP2-Settings',
        'x',
        'X-Forwarded-For',
        'x',
        'Forwarded',
        'for=x',
        'Via',
        'x',
      ),
    ).toEqual([])
  })
  it('the types that are taken may stand on several lines, and go on as one', () => {
    expect(sent('Accept', 'text/html', 'User-Agent', 'x', 'accept', 'image/png')).toEqual([
      'accept',
      'text/html, image/png',
      'user-agent',
      'x',
    ])
  })
  it('one that appears twice is refused, because two readers could take two of them', () => {
    expect(() => sent('Content-Type', 'a', 'content-type', 'b')).toThrow(
      expect.objectContaining({ code: 'header_refused' }),
    )
  })
  it.each([
    'serviceworker',
    'worker',
    'sharedworker',
    'script',
    'iframe',
    'object',
    'embed',
    'style',
    'audioworklet',
    'paintworklet',
    'xslt',
    'fencedframe',
  ])('a browser that would run the answer as %s is refused', (value) =>
    expect(() => sent('Sec-Fetch-Dest', value)).toThrow(expect.objectContaining({ code: 'header_refused' })),
  )
})

it('B-04: a query has no more parameters than its reader would take', () => {
  const query = (count: number) => `?${Array.from({ length: count }, (_, index) => `a${index % 7}=1`).join('&')}`
  expect(passes('/a', query(1000))).toBe(true)
  expect(passes('/a', query(1001))).toBe(false)
  expect(passes('/a', `?${';'.repeat(1000)}`)).toBe(false)
})

describe('F-05: of an answer', () => {
  const place = () => ({
    url: new URL('https://api.example.com/v1/items?page=1'),
    base: new URL('https://api.example.com/v1'),
    proxy: 'https://vk.example/api/v1/tenants/acme/projects/p/proxy',
  })
  const facts = { responseHeaders: ['x-extra'], redirectHosts: ['files.example.com'] }
  const back = (headers: Record<string, string | string[]>, status = 302) => {
    const kept = responseHeaders({ status, headers }, facts, place)
    return Object.fromEntries(kept.flatMap((name, index) => (index % 2 === 0 ? [[name, kept[index + 1]]] : [])))
  }

  it.each([
    ['/v1/other?a=b', '/other?a=b'],
    ['other', '/other'],
    ['https://api.example.com/v1', ''],
    ['https://api.example.com:443/v1/a', '/a'],
    ['//api.example.com/v1/a', '/a'],
    ['/v1/x/../y', '/y'],
  ])('a redirect inside the API leads through us again: %s', (location, path) =>
    expect(back({ location }).location).toBe(`https://vk.example/api/v1/tenants/acme/projects/p/proxy${path}`),
  )
  it('one to a host that the preset names goes on as it is', () =>
    expect(back({ location: 'https://files.example.com/a?sig=b' }).location).toBe('https://files.example.com/a?sig=b'))
  it.each([
    'https://evil.example/',
    '//evil.example/',
    'http://api.example.com/v1/a',
    'https://api.example.com/v2',
    'https://api.example.com/v1x',
    '/v1/../v2',
    '/%2e%2e/v2',
    'https://api.example.com@evil.example/v1',
    'https://user:pass@api.example.com/v1/a',
    'https://:x@files.example.com/',
    'https://files.example.com@evil.example/',
    'https://files.example.com:8443/',
    'http://files.example.com/',
    'https://x.files.example.com/',
    'https://api.example.com:8443/v1',
    'javascript:alert(1)',
    'data:text/html,x',
    '\\\\evil.example\\',
    '/\\evil.example',
    'https:\\\\evil.example',
    'https://evil.example\\@api.example.com/v1',
    'http://',
    '%',
  ])('any other is refused: %s', (location) => {
    const given = () => back({ location })
    // What is no address of its own is read below the one that was asked, as every client does.
    if (location === '%') return expect(given().location).toMatch(/\/proxy\//)
    expect(given).toThrow(expect.objectContaining({ code: 'redirect_refused' }))
  })
  it('an address that only names what was made stays here', () =>
    expect(back({ location: 'https://evil.example/' }, 201)).toEqual({}))
  it('links to further pages lead through us, others stay as they are', () =>
    expect(
      back(
        { link: '<https://api.example.com/v1/items?page=2>; rel="next", <https://docs.example.com/>; rel="help"' },
        200,
      ).link,
    ).toBe(
      '<https://vk.example/api/v1/tenants/acme/projects/p/proxy/items?page=2>; rel="next", <https://docs.example.com/>; rel="help"',
    ))
  it('C-10: nothing that reaches beyond it comes back', () => {
    const hostile = Object.fromEntries(
      [
        'set-cookie',
        'service-worker-allowed',
        'content-security-policy',
        'access-control-allow-origin',
        'access-control-allow-credentials',
        'strict-transport-security',
        'clear-site-data',
        'alt-svc',
        'refresh',
        'x-frame-options',
        'www-authenticate',
        'proxy-authenticate',
        'nel',
        'report-to',
        'reporting-endpoints',
        'sourcemap',
        'x-sendfile',
        'x-accel-redirect',
        'connection',
        'keep-alive',
        'transfer-encoding',
        'trailer',
        'upgrade',
        'content-location',
        'x-content-type-options',
        'cache-control',
        'expires',
        'origin-agent-cluster',
        'permissions-policy',
        'timing-allow-origin',
        'x-unknown',
      ].map((name) => [name, 'x']),
    )
    expect(back({ ...hostile, 'content-type': 'text/html', etag: '"a"', 'x-extra': '1' }, 200)).toEqual({
      'content-type': 'text/html',
      etag: '"a"',
      'x-extra': '1',
    })
  })
  it('C-10: not even a preset lets pass what we say ourselves', () => {
    const names = ['cache-control', 'content-security-policy', 'location', 'link', 'vary']
    const headers = Object.fromEntries([...names, 'x-extra'].map((name) => [name, 'x']))
    const kept = responseHeaders({ status: 201, headers }, { ...facts, responseHeaders: [...names, 'x-extra'] }, place)
    expect(kept).toEqual(['x-extra', 'x', 'link', 'x'])
  })
  it('what it names as its connection’s own is dropped', () =>
    expect(back({ connection: 'close, ETag', etag: '"a"', 'content-type': 'a' }, 200)).toEqual({ 'content-type': 'a' }))
})

describe('a form that asks for another method', () => {
  const form = 'application/x-www-form-urlencoded'
  const multipart = (name: string) => `--b\r\nContent-Disposition: form-data; ${name}\r\n\r\nDELETE\r\n--b--`
  it.each([
    [form, '_method=DELETE'],
    [form, 'a=b&_method=DELETE'],
    [form, 'a=b;_METHOD=x'],
    [form, '%5Fmethod=x'],
    [form, '%5f%6dethod=x'],
    [form, 'a&_method'],
    [form, '+_method+=x'],
    [form, 'x-http-method-override=PUT'],
    [`${form}; charset=utf-8`, '_method=x'],
    // The type as PHP and Rack read it, and what Rack takes for a form without one.
    [`${form}, text/plain`, '_method=x'],
    [`${form} text/plain`, '_method=x'],
    [undefined, '_method=x'],
    ['', 'a=b&_method=x'],
    // Names as Rack, qs and PHP read them.
    [form, '[_method]=x'],
    [form, '%5B_method%5D=x'],
    [form, '_method]=x'],
    [form, '.method=x'],
    [form, '_method%00a=x'],
    [form, '%5Fmethod[%ff]=x'],
    [form, '%u0058-HTTP-Method-Override=x'],
    [form, `${'+'.repeat(400)}_method=x`],
    [form, `${'%20%5b'.repeat(100)}_method=x`],
    ['multipart/form-data; boundary=b', multipart('name="[_method]"')],
    ['multipart/form-data; boundary=b', multipart('name=".method"')],
    ['multipart/form-data; boundary=b', multipart('name=" _method"')],
    ['multipart/form-data; boundary=b', multipart(`name="${' '.repeat(700)}_method"`)],
    ['multipart/form-data; boundary=b', multipart(`name="${'\\ ['.repeat(300)}_method"`)],
    ['multipart/form-data; boundary=b', multipart(`${' '.repeat(700)}name${' '.repeat(700)}="_method"`)],
    // Values as Rack, PHP, busboy and Tomcat read them.
    ['multipart/form-data; boundary=b', multipart('name="_\\method"')],
    ['multipart/form-data; boundary=b', multipart("name='_method'")],
    ['multipart/form-data; boundary=b', multipart('name="a"; name="_method"')],
    ['multipart/form-data; boundary=b', multipart('name="a\\"b"; name=_method')],
    ['multipart/form-data; boundary=b', multipart("name*=utf-8''%5Fmethod")],
    ['multipart/form-data; boundary=b', multipart('name*0="_met"; name*1="hod"')],
    ['multipart/form-data; boundary=b', multipart('name="=?utf-8?Q?=5Fmethod?="')],
    ['multipart/form-data; boundary=b', multipart('name="=?utf-8?B?X21ldGhvZA==?="')],
    ['multipart/form-data; boundary=b', '--b\r\nContent-Disposition: name=_method\r\n\r\nDELETE\r\n--b--'],
    // Laravel reads JSON as it does a form.
    ['application/json', '{"_method":"DELETE"}'],
    ['application/vnd.api+json; charset=utf-8', ' {"a":[{"b":"\\"}"}],\n"\\u005fmethod" : "DELETE"}'],
    ['text/plain; a=/json', '{"a":"_","_METHOD":"PUT"}'],
    ['multipart/form-data; boundary=b', multipart('name="_method"')],
    ['multipart/form-data; boundary=b', multipart('name=_method')],
    ['multipart/mixed; boundary=b', multipart('NAME = "_Method"')],
  ])('%s: %j is refused, however it is cut into pieces', (type, body) => {
    const bytes = Buffer.from(body)
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const guard = overrideGuard(type)
      const refused = [bytes.subarray(0, cut), bytes.subarray(cut)].map((piece) => guard?.(piece)).filter(Boolean)
      expect([cut, refused.length > 0]).toEqual([cut, true])
    }
    const guard = overrideGuard(type)
    expect([...bytes].some((byte) => guard?.(Buffer.from([byte])))).toBe(true)
  })
  it.each([
    [form, 'a=_method&b=c'],
    [form, 'my_method=x&_methods=y'],
    [form, 'filter[_method]=x&method=y'],
    [undefined, '{"a":"_method=b"}'],
    ['application/json', '{"a":{"_method":"x"},"b":["_method"],"c":"_method"}'],
    ['application/json', '["_method",{"_method":1}]'],
    ['multipart/form-data; boundary=b', multipart('name="message"; filename="a.eml"')],
    ['multipart/form-data; boundary=b', 'Content-Type: application/pdf; name="=?utf-8?Q?r=C3=A9sum=C3=A9.pdf?="'],
    ['multipart/form-data; boundary=b', "Content-Type: application/pdf; name*=utf-8''r%C3%A9sum%C3%A9.pdf"],
    ['multipart/form-data; boundary=b', 'Content-Type: application/pdf; name*0="a long name"; name*1=".pdf"'],
    ['multipart/form-data; boundary=b', multipart('name="file"; filename="_method"')],
  ])('%s: %j passes', (type, body) => expect(overrideGuard(type)?.(Buffer.from(body))).toBe(undefined))
  it('other bodies are not read', () => expect(overrideGuard('application/octet-stream')).toBe(undefined))
  it.each(['gzip', 'GZIP', 'x-gzip', 'deflate', 'br', 'identity, gzip'])(
    '%s: a form that cannot be read is refused',
    (coding) => {
      for (const type of [form, 'multipart/form-data; boundary=b'])
        expect(overrideGuard(type, coding)?.(Buffer.from('x'))).toMatchObject({ code: 'header_refused' })
      expect(overrideGuard(form, 'identity')?.(Buffer.from('a=b'))).toBe(undefined)
    },
  )
})

describe('IV-08: what no token may ever do', () => {
  const never = ['POST /storage/tokens/**', 'POST /projects/*/keys/**', 'POST /Batch']
  const allows = matcherOf({ access: 'everything' }, never)
  it.each([
    '/storage/tokens',
    '/storage/tokens/',
    '/storage/tokens/1/refresh',
    '/storage/%74okens',
    '/%73%74orage/tokens',
    '/storage/Tokens',
    '/STORAGE/TOKENS',
    '/storage/tokens;a=b',
    '/storage/tokens%3Ba',
    '/storage;x/tokens',
    '/storage/tokens.json',
    '/storage/tokens.',
    '/storage/tokens%20',
    '/storage/tokens%3F',
    '/storage/tokens%23',
    '/storage/%EF%BD%94okens',
    '/projects/a/keys.json',
    '/projects/a.b/keys',
    '/projects/a.b/%6beys/',
    '/batch',
    '/batch/',
    '/batch.json',
  ])('it may not do by another spelling: %s', (path) => {
    expect([path, allows('POST', path)]).toEqual([path, false])
    // Nobody else is refused: GET is not named.
    expect(allows('GET', path)).toBe(true)
  })
  it.each([
    '/storage/tokenss',
    '/storage/token',
    '/storage',
    '/projects/keys',
    '/batches',
    '/batch/1',
    '/x/storage/tokens',
  ])('what is another thing passes: %s', (path) => expect(allows('POST', path)).toBe(true))
  it('no rule of a token spells it either', () =>
    expect(matcherOf({ access: 'paths', paths: ['POST /storage/%74okens'] }, never)('POST', '/storage/%74okens')).toBe(
      false,
    ))
})

describe('ten thousand paths', () => {
  /** How servers are known to read a path: each as the segments that they route by. */
  const readers: Record<string, (path: string) => string> = {
    'WHATWG URL': (text) => new URL(text, 'https://api.example').pathname,
    'decoded, then made normal': (text) =>
      new URL(decodeURIComponent(text).replaceAll('?', '%3F').replaceAll('#', '%23'), 'https://api.example').pathname,
    'decoded twice': (text) => {
      const once = decodeURIComponent(text)
      return new URL((safely(once) ?? once).replaceAll('?', '%3F').replaceAll('#', '%23'), 'https://api.example')
        .pathname
    },
    'without matrix parameters': (text) =>
      new URL(
        text
          .split('/')
          .map((one) => one.split(';')[0])
          .join('/'),
        'https://api.example',
      ).pathname,
    'decoded, without matrix parameters': (text) =>
      new URL(
        decodeURIComponent(text)
          .split('/')
          .map((one) => one.split(';')[0])
          .join('/')
          .replaceAll('?', '%3F')
          .replaceAll('#', '%23'),
        'https://api.example',
      ).pathname,
    'slashes merged': (text) => text.replaceAll(/\/{2,}/g, '/'),
    'characters folded': (text) =>
      new URL(
        decodeURIComponent(text).normalize('NFKC').replaceAll('?', '%3F').replaceAll('#', '%23'),
        'https://api.example',
      ).pathname,
  }
  const safely = (text: string) => {
    try {
      return decodeURIComponent(text)
    } catch {
      return undefined
    }
  }

  it.each([
    ['a tree', ['GET /public/**'], (segments: string[]) => segments[0] === 'public'],
    [
      'one list',
      ['GET /repos/*/issues'],
      (segments: string[]) => segments.length === 3 && segments[0] === 'repos' && segments[2] === 'issues',
    ],
  ] as const)('%s: what passes is read as allowed by every server', (_name, paths, isAllowed) => {
    const allows = matcherOf({ access: 'paths', paths: [...paths] })
    let passed = 0
    fc.assert(
      fc.property(trickyPath, (given) => {
        if (!passes(given) || !allows('GET', given)) return
        passed += 1
        for (const [reader, read] of Object.entries(readers)) {
          const segments = read(given).split('/').slice(1)
          if (!isAllowed(segments)) throw new Error(`${reader} reads ${given} as ${segments.join(' / ')}`)
        }
      }),
      { numRuns: 10_000 },
    )
    // Not vacuous: some do pass.
    expect(passed).toBeGreaterThan(20)
  })
})
