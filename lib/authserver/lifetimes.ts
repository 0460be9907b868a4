import type { Lives } from '../store/programs.ts'

const minute = 60
const day = 24 * 60 * minute

/** How long what programs are given lives, in seconds (O-16). A grant that is never used ends with its refresh token. */
export const lives: Lives = { access: 60 * minute, refresh: 7 * day, grant: 90 * day }

/** How long the refresh token before the current one is answered alike: what a lost answer and its retry take (T-06). */
export const repeatSeconds = 30
/** RFC 8628 3.2; D-03. */
export const deviceSeconds = 15 * minute
/** For a person to sign in and to read what they allow. */
export const requestSeconds = 10 * minute
/** T-07. */
export const codeSeconds = 60
/** RFC 9126 2.2: the browser comes at once. */
export const pushedSeconds = 90
