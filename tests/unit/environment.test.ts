// What a program that somebody starts is told of a token, and what it can never be told.
import { describe, expect, it, test } from 'vitest'
import { mayBeSet } from '../../lib/client/environment.ts'
import { envSample, plainEnvironment, promptSample } from '../../lib/providers/environment.ts'
import { kinds } from '../../lib/providers/index.ts'
import type { Target } from '../../lib/providers/kind.ts'
import { oauthKind } from '../../lib/providers/oauth/index.ts'
import { Preset } from '../../lib/providers/oauth/preset.ts'
import { presets } from '../../lib/providers/oauth/presets/index.ts'
import { OauthSettings } from '../../lib/providers/oauth/settings.ts'

const ruling =
  'PATH HOME SHELL IFS ENV BASH_ENV PS4 PROMPT_COMMAND LD_PRELOAD LD_LIBRARY_PATH LD_AUDIT LD_X_TOKEN DYLD_INSERT_LIBRARIES ' +
  'DYLD_X_URL NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_X_KEY PYTHONPATH PYTHONSTARTUP PERL5OPT PERL5LIB RUBYOPT ' +
  'JAVA_TOOL_OPTIONS CLASSPATH GIT_SSH_COMMAND GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_X_KEY EDITOR PAGER BROWSER ' +
  'HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY SSL_CERT_FILE CURL_CA_BUNDLE DOCKER_HOST PIP_INDEX_URL UV_INDEX_URL ' +
  'NPM_CONFIG_REGISTRY NPM_X_URL HOMEBREW_BOTTLE_URL VALETKEY_SERVER VALETKEY_X_URL SSH_AUTH_SOCK XDG_CONFIG_HOME'

test.each([
  ...ruling.split(' '),
  '',
  'TOKEN',
  '_TOKEN',
  '1_TOKEN',
  'api_token',
  'API-TOKEN',
  'API_TOKEN ',
  'API_TOKEN\n',
  `${'A'.repeat(60)}_TOKEN`,
])('%j decides what runs, or is no name: nobody’s facts can set it', (name) => expect(mayBeSet(name)).toBe(false))

describe('facts of a preset', () => {
  const [example] = [...presets.values()]
  const withTools = (tools: unknown) =>
    Preset.safeParse({ ...example, tools, sources: { ...example?.sources, tools: example?.sources.api } }).success

  it('name variables that may be set, and are refused where they name another', () => {
    expect(withTools({ token: ['GH_TOKEN'], values: { GITLAB_HOST: '{api_host}' } })).toBe(true)
    for (const name of ['PATH', 'LD_PRELOAD', 'NODE_OPTIONS', 'DYLD_INSERT_LIBRARIES', 'BASH_ENV', 'GIT_SSH_COMMAND']) {
      expect(withTools({ token: [name] }), name).toBe(false)
      expect(withTools({ values: { [name]: 'x' } }), name).toBe(false)
    }
  })
})

const target = { baseUrl: 'https://api.example.com:8443/v1', branch: null, project: '1' }
const environmentOf = (kind: string, settings: unknown, at: Partial<Target> = target) =>
  kinds.get(kind)?.environment({ ...target, ...at }, settings)

describe('the environment of a token', () => {
  it('of Keboola is what kbagent, its MCP server and kbc read', () => {
    const at = { baseUrl: 'https://connection.example.com', branch: "12'3" }
    expect(environmentOf('keboola', {}, at)).toEqual({
      token: ['KBC_TOKEN', 'KBC_STORAGE_TOKEN', 'KBC_STORAGE_API_TOKEN'],
      values: {
        KBC_URL: 'https://connection.example.com',
        KBC_BRANCH_ID: "12'3",
        KBC_STORAGE_API_URL: 'https://connection.example.com',
        KBC_STORAGE_API_HOST: 'connection.example.com',
      },
    })
  })

  const server = { issuer: target.baseUrl, authorization_endpoint: target.baseUrl, token_endpoint: target.baseUrl }
  const settings = (preset?: string) =>
    OauthSettings.parse({
      ...(preset && { preset }),
      server,
      bases: [{ name: 'API', url: target.baseUrl }],
      authentication: 'post',
      scopes: [],
    })

  it('of another server is plain, and has the names of its own tools where its preset knows them', () => {
    const plain = { token: ['API_TOKEN'], values: { API_URL: target.baseUrl } }
    expect(environmentOf('oauth', settings())).toEqual(plain)
    expect(environmentOf('keycloak', settings())).toEqual(plain)
    expect(environmentOf('oauth', settings('github-app'))).toEqual({
      ...plain,
      token: ['API_TOKEN', 'GH_TOKEN', 'GITHUB_TOKEN'],
    })
    expect(environmentOf('oauth', settings('gitlab'))).toEqual({
      token: ['API_TOKEN', 'GITLAB_TOKEN'],
      values: { ...plain.values, GITLAB_HOST: 'api.example.com:8443', GLAB_IS_OAUTH2: 'true' },
    })
    expect(environmentOf('own', {})).toEqual({ token: ['API_TOKEN'], values: {} })
  })

  it('has only variables that may be set, whatever the kind and the preset', () => {
    const all = [
      ...['keboola', 'own'].map((kind) => environmentOf(kind, {}, { ...target, branch: '7' })),
      ...[...presets.keys()].map((name) => oauthKind(presets).environment(target, settings(name))),
    ]
    for (const made of all)
      for (const name of [...(made?.token ?? []), ...Object.keys(made?.values ?? {})])
        expect(mayBeSet(name), name).toBe(true)
  })
})

test('samples say the first name, each value, and are words of a shell whatever is in them', () => {
  const environment = { ...plainEnvironment("https://x.example/'; rm"), token: ['API_TOKEN', 'GH_TOKEN'] }
  expect(envSample(environment, "a'b").code).toBe(
    `export API_TOKEN='a'\\''b'\nexport API_URL='https://x.example/'\\''; rm'`,
  )
  expect(promptSample(environment).code).toBe(
    `printf 'Token: '; stty -echo; IFS= read -r API_TOKEN; stty echo; echo; export API_TOKEN API_URL='https://x.example/'\\''; rm'`,
  )
})
