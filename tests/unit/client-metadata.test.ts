import { expect, test } from 'vitest'
import { isOnThisComputer, redirectFault } from '../../lib/tenancy/client-metadata.ts'

const faultOf = (uri: string) => redirectFault(uri, { origin: 'https://valetkey.example.com', isPublic: true })

test('T-07: no redirect URI leads to Valetkey itself, and one that only looks alike is another', () => {
  for (const path of ['/', '/oauth/callback/abc', '/t/acme'])
    expect(faultOf(`https://valetkey.example.com${path}`), path).toMatch(/Valetkey itself/)
  for (const uri of [
    'https://valetkey.example.com.example/',
    'https://valetkey.example.com:8443/',
    'https://example.com/',
  ])
    expect(faultOf(uri), uri).toBeUndefined()
})

test('CD-02: an answer stays at this computer at a loopback, and by a scheme of its own, and nowhere else', () => {
  for (const uri of [
    'http://127.0.0.1:1/',
    'http://[::1]/x',
    'http://localhost:3118/callback',
    'com.example.app:/callback',
  ])
    expect(isOnThisComputer(uri), uri).toBe(true)
  for (const uri of [
    'https://localhost/x',
    'https://127.0.0.1/x',
    'http://localhost.evil.example/',
    'http://127.0.0.1.evil.example/',
    'http://127.0.0.1@evil.example/',
    'https://evil.example/?http://localhost/',
    'com.example.app://evil.example/',
    '',
    'x',
  ])
    expect(isOnThisComputer(uri), uri).toBe(false)
})
