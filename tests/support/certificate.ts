import { generateKeyPairSync, sign } from 'node:crypto'

// DER of X.509 (RFC 5280 4.1), as much of it as one self-signed certificate needs.
const der = (tag: number, ...parts: Uint8Array[]) => {
  const body = Buffer.concat(parts)
  const { length: size } = body
  const length = size < 128 ? [size] : size < 256 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...parts: Uint8Array[]) => der(0x30, ...parts)
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'))
const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'))
const nameOf = (host: string) => sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(host)))))
const time = (text: string) => der(0x18, Buffer.from(text))

/**
 * A self-signed certificate for one host name, made anew: PEM texts for a server and for who is to trust it. `isAuthority`:
 * it says of itself that it is a CA's. `end`: as `YYYYMMDD`.
 */
export function selfSigned(
  host: string,
  { isAuthority = false, end = '20991231' }: { isAuthority?: boolean; end?: string } = {},
): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const alternativeName = sequence(oid('551d11'), der(0x04, sequence(der(0x82, Buffer.from(host)))))
  // RFC 5280 4.2.1.9, with cA true.
  const constraints = sequence(oid('551d13'), der(0x04, sequence(der(0x01, Buffer.from([0xff])))))
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    nameOf(host),
    sequence(time('20200101000000Z'), time(`${end}235959Z`)),
    nameOf(host),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeName, ...(isAuthority ? [constraints] : []))),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, privateKey))
  const text = sequence(toBeSigned, ecdsaWithSha256, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${text.replace(/(.{64})(?=.)/g, '$1\n')}\n-----END CERTIFICATE-----\n`,
  }
}
