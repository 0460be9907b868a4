import { randomInt } from 'node:crypto'

/** Easy to tell apart and to type, and no words come of it (RFC 8628 6.1): no vowels, and none of 0, 1, 5 and L. O-02. */
export const userCodeAlphabet = 'BCDFGHJKMNPQRSTVWXYZ2346789'
const length = 8

/** A new user code, as it is compared: 38 bits. */
export const newUserCode = (): string =>
  Array.from({ length }, () => userCodeAlphabet[randomInt(userCodeAlphabet.length)]).join('')

/** As people read it: XXXX-XXXX. */
export const shownUserCode = (code: string) => `${code.slice(0, 4)}-${code.slice(4)}`
