import { type GenerateKeyPairResult, generateKeyPair } from 'jose'
import { makeKeyRing } from '../../demo/keys.ts'

const pairs = new Map<string, Promise<GenerateKeyPairResult>>()

/** The key pair of a name, made once for a process: of RSA one takes a fifth of a second. */
export function keyPairOf(name: string, alg: string): Promise<GenerateKeyPairResult> {
  const pair = pairs.get(name) ?? generateKeyPair(alg, { extractable: true })
  pairs.set(name, pair)
  return pair
}

/** What every demo upstream of a process signs with. */
export const demoKeys = makeKeyRing()
