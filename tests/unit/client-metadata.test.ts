import { expect, test } from 'vitest'
import { redirectFault } from '../../lib/tenancy/client-metadata.ts'

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
