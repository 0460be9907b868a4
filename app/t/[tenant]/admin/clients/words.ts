import type { AuthMethod, Grace, GrantType } from '@/lib/tenancy/clients.ts'

/** What a client is, by how it authenticates. */
export const kindWords: Record<AuthMethod, { label: string; hint: string }> = {
  none: {
    label: 'Public',
    hint: 'It runs where others can read it: command lines, desktop and mobile apps, pages in a browser. It has no secret; PKCE protects each sign-in.',
  },
  client_secret_basic: {
    label: 'Confidential, with a secret',
    hint: 'It runs on a server that keeps a secret. You see the secret once.',
  },
  private_key_jwt: {
    label: 'Confidential, with keys',
    hint: 'It runs on a server and signs with a private key that never leaves it. You enter the public half.',
  },
}

/** How a client gets in. */
export const grantWords: Record<GrantType, { label: string; hint: string }> = {
  'urn:ietf:params:oauth:grant-type:device_code': {
    label: 'Device code',
    hint: 'For terminals without a browser: people type a code on another device.',
  },
  authorization_code: {
    label: 'Authorization code',
    hint: 'For programs that can open a browser: it comes back to a redirect URI.',
  },
  refresh_token: {
    label: 'Refresh token',
    hint: 'It stays signed in after its first access token expires.',
  },
  'urn:ietf:params:oauth:grant-type:token-exchange': {
    label: 'Token exchange',
    hint: 'It trades its access token for one that is for an API of your own, within what its person allowed.',
  },
}

export const graceWords: Record<Grace, string> = {
  0: 'It stops at once',
  3600: 'One more hour',
  86400: 'One more day',
  604800: 'Seven more days',
}
