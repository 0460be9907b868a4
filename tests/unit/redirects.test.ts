import { describe, expect, it } from 'vitest'
import { matchRedirect } from '../../lib/authserver/redirects.ts'

const registered = [
  'https://app.example.com/callback',
  'https://app.example.com/with?tenant=a%20b',
  'http://127.0.0.1/callback',
  'http://[::1]:8080/callback?x=1',
  'http://localhost/callback',
  'com.example.app:/callback',
]

describe('T-07: a redirect URI is one of those registered', () => {
  it.each(registered)('%s is itself', (uri) => {
    expect(matchRedirect(registered, uri)).toBe(true)
  })

  it.each([
    'http://127.0.0.1:1/callback',
    'http://127.0.0.1:80/callback',
    'http://127.0.0.1:65535/callback',
    'http://[::1]/callback?x=1',
    'http://[::1]:49152/callback?x=1',
    'http://localhost:4711/callback',
  ])('%s: a loopback may have any port (RFC 8252 7.3)', (uri) => {
    expect(matchRedirect(registered, uri)).toBe(true)
  })

  it.each([
    ['another host', 'https://evil.example.com/callback'],
    ['a host that ends alike', 'https://evilapp.example.com/callback'],
    ['a host that begins alike', 'https://app.example.com.evil.example/callback'],
    ['another scheme', 'http://app.example.com/callback'],
    ['a port', 'https://app.example.com:8443/callback'],
    ['the port that is the default', 'https://app.example.com:443/callback'],
    ['other letters in the host', 'https://APP.example.com/callback'],
    ['other letters in the path', 'https://app.example.com/Callback'],
    ['more path', 'https://app.example.com/callback/more'],
    ['a slash more', 'https://app.example.com/callback/'],
    ['less path', 'https://app.example.com/call'],
    ['dots that lead back', 'https://app.example.com/x/../callback'],
    ['encoded dots', 'https://app.example.com/%2e%2e/callback'],
    ['an encoded letter', 'https://app.example.com/c%61llback'],
    ['a backslash', 'https://app.example.com\\callback'],
    ['a query', 'https://app.example.com/callback?next=https://evil.example'],
    ['an empty query', 'https://app.example.com/callback?'],
    ['a fragment', 'https://app.example.com/callback#x'],
    ['an empty fragment', 'https://app.example.com/callback#'],
    ['a user name', 'https://app.example.com@evil.example/callback'],
    ['a query in another spelling', 'https://app.example.com/with?tenant=a+b'],
    ['a space before', ' https://app.example.com/callback'],
    ['a line break after', 'https://app.example.com/callback\n'],
    ['a NUL after', 'https://app.example.com/callback\0'],
    ['nothing', ''],
    ['two, joined', 'https://app.example.com/callback https://evil.example'],
    ['another path of a private-use scheme', 'com.example.app:/other'],
    ['an authority in a private-use scheme', 'com.example.app://callback'],
    ['a longer private-use scheme', 'com.example.app.evil:/callback'],
    ['another path at localhost', 'http://localhost:4711/other'],
    ['a query at localhost', 'http://localhost:4711/callback?x=1'],
    ['localhost in capitals', 'http://LOCALHOST:4711/callback'],
    ['localhost with a dot', 'http://localhost.:4711/callback'],
    ['a host that begins with localhost', 'http://localhost.evil.example/callback'],
    ['a host below localhost', 'http://app.localhost:4711/callback'],
    ['https at localhost', 'https://localhost:4711/callback'],
    ['another path at the loopback', 'http://127.0.0.1:4711/other'],
    ['more path at the loopback', 'http://127.0.0.1:4711/callback/../other'],
    ['a query at the loopback', 'http://127.0.0.1:4711/callback?code=x'],
    ['a fragment at the loopback', 'http://127.0.0.1:4711/callback#x'],
    ['the query of the other loopback', 'http://127.0.0.1:4711/callback?x=1'],
    ['no query at the other loopback', 'http://[::1]:8080/callback'],
    ['https at the loopback', 'https://127.0.0.1:4711/callback'],
    ['another loopback address', 'http://127.0.0.2/callback'],
    ['a short loopback address', 'http://127.1/callback'],
    ['a loopback address as a number', 'http://2130706433/callback'],
    ['a loopback address in octal', 'http://0177.0.0.1/callback'],
    ['a mapped loopback address', 'http://[::ffff:127.0.0.1]/callback'],
    ['the long form of ::1', 'http://[0:0:0:0:0:0:0:1]/callback?x=1'],
    ['all addresses', 'http://0.0.0.0/callback'],
    ['a host that begins with the loopback', 'http://127.0.0.1.evil.example/callback'],
    ['a user named as the loopback', 'http://127.0.0.1@evil.example/callback'],
    ['a user named as the loopback and a port', 'http://127.0.0.1:80@evil.example/callback'],
    ['a backslash behind the loopback', 'http://127.0.0.1\\@evil.example/callback'],
    ['an encoded host', 'http://127.0.0.1%2eevil.example/callback'],
    ['an empty port', 'http://127.0.0.1:/callback'],
    ['the port 0', 'http://127.0.0.1:0/callback'],
    ['a port with a zero before', 'http://127.0.0.1:0080/callback'],
    ['a port that is none', 'http://127.0.0.1:65536/callback'],
    ['a port in letters', 'http://127.0.0.1:http/callback'],
    ['a port below zero', 'http://127.0.0.1:-1/callback'],
    ['two ports', 'http://127.0.0.1:80:80/callback'],
    ['no path', 'http://127.0.0.1:4711'],
    ['capitals', 'HTTP://127.0.0.1/callback'],
    ['a space before the loopback', ' http://127.0.0.1/callback'],
    ['a tab inside', 'http://127.0.0.1\t/callback'],
    ['a line break after the loopback', 'http://127.0.0.1/callback\n'],
  ])('%s is none of them', (_, uri) => {
    expect(matchRedirect(registered, uri)).toBe(false)
  })

  it('nothing is registered, nothing matches', () => {
    for (const uri of [...registered, '', 'http://127.0.0.1:1/']) expect(matchRedirect([], uri)).toBe(false)
  })

  it('what is registered is no pattern', () => {
    expect(matchRedirect(['https://*.example.com/.*'], 'https://app.example.com/x')).toBe(false)
    expect(matchRedirect(['http://127.0.0.1/*'], 'http://127.0.0.1:1/callback')).toBe(false)
  })
})

it('T-07: localhost is none of the loopback literals, and none of them is it', () => {
  expect(matchRedirect(['http://localhost/callback'], 'http://127.0.0.1:1/callback')).toBe(false)
  expect(matchRedirect(['http://127.0.0.1/callback'], 'http://localhost:1/callback')).toBe(false)
})
