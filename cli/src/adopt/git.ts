import type { Found } from './kind.ts'

const Scopes = 'x-oauth-scopes'

/** What a token is by its beginning: docs.github.com "About authentication to GitHub", docs.gitlab.com "Token overview". */
export function tokenOf(secret: string, host: string): Pick<Found, 'what' | 'upstream' | 'question'> {
  const [, what, where] =
    known.find(([prefix]) => secret.startsWith(prefix)) ??
    (['', 'a password, or a token that does not say what it is', 'change or delete it there'] as const)
  const isGithub = /^(ghp|gho|ghu|github_pat)_/.test(secret)
  const isGitlab = /^glpat-/.test(secret)
  return {
    what,
    upstream: where,
    ...(isGithub && {
      question: {
        // The API of github.com has a host of its own, and so has that of its companies with data residency.
        url:
          host === 'github.com' || host.endsWith('.ghe.com') || host === 'api.github.com'
            ? `https://${host.startsWith('api.') ? host : `api.${host}`}/user`
            : `https://${host}/api/v3/user`,
        headers: { Authorization: `Bearer ${secret}` },
        tell(status, _body, headers) {
          if (status === 401) return 'it is not accepted any more'
          if (status !== 200) return `the host answers HTTP ${status}`
          const [scopes, ends] = [headers.get(Scopes), headers.get('github-authentication-token-expiration')]
          return `it works; ${scopes === null ? 'its rights are not told' : `its scopes: ${scopes || 'none'}`}; ${ends === null ? 'no end is told' : `it ends ${ends}`}`
        },
      },
    }),
    ...(isGitlab && {
      question: {
        url: `https://${host}/api/v4/personal_access_tokens/self`,
        headers: { 'PRIVATE-TOKEN': secret },
        tell(status, body) {
          if (status === 401) return 'it is not accepted any more'
          if (status !== 200 || typeof body !== 'object' || body === null) return `the host answers HTTP ${status}`
          const { name, scopes, expires_at: ends } = body as Record<string, unknown>
          return `it works${typeof name === 'string' ? `, and is called "${name}"` : ''}; its scopes: ${Array.isArray(scopes) ? scopes.join(', ') : 'not told'}; ${typeof ends === 'string' ? `it ends ${ends}` : 'no end is told'}`
        },
      },
    }),
  }
}

const atGithub = 'under Settings, Developer settings, Personal access tokens'
const known = [
  [
    'ghp_',
    'a personal access token of GitHub (classic): for every repository of the person, as far as its scopes go',
    `delete it there ${atGithub}`,
  ],
  ['github_pat_', 'a personal access token of GitHub (fine-grained)', `delete it there ${atGithub}`],
  [
    'gho_',
    'a token of an OAuth app at GitHub, for every repository of the person, as far as its scopes go; it never ends',
    'revoke the app there, under Settings, Applications (GitHub CLI: "gh auth logout" does not revoke it)',
  ],
  ['ghu_', 'a token of a GitHub App for a person', 'revoke the app there, under Settings, Applications'],
  ['glpat-', 'a personal access token of GitLab', 'revoke it there, under Preferences, Access tokens'],
  ['gldt-', 'a deploy token of GitLab', 'revoke it in the project, under Settings, Repository, Deploy tokens'],
] as const
