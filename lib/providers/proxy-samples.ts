import { envSample, plainEnvironment, promptSample } from './environment.ts'
import { type NamedRules, type Sample, shellQuoted } from './kind.ts'
import type { Rules } from './rules.ts'

/**
 * How a token is used that works through us. Each works pasted alone into a fresh POSIX shell; the token is read from the
 * input or from the environment, never from the list of processes. `path` follows the address, from {@link samplePath}.
 */
export function proxySamples({ baseUrl, path }: { baseUrl: string; path: string }, token: string): Sample[] {
  const environment = plainEnvironment(baseUrl)
  const env = envSample(environment, token)
  return [
    {
      id: 'curl',
      label: 'curl',
      code: [`curl --header @- ${shellQuoted(baseUrl + path)} <<'END'`, `Authorization: Bearer ${token}`, 'END'].join(
        '\n',
      ),
    },
    env,
    {
      id: 'node',
      label: 'Node',
      code: [
        env.code,
        "node --input-type=module <<'END'",
        'import { env } from "node:process"',
        `const answer = await fetch(env.API_URL + ${JSON.stringify(path)}, {`,
        // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the sample's own
        '  headers: { authorization: `Bearer ${env.API_TOKEN}` },',
        '})',
        'console.log(await answer.text())',
        'END',
      ].join('\n'),
    },
    promptSample(environment),
  ]
}

/** A path that the rules let be read, for a sample: as far as one of them names it, else of a named rule, else the API's root. */
export function samplePath(rules: Rules, named: readonly NamedRules[]): string {
  const patterns = rules.access === 'paths' ? rules.paths : named.flatMap(({ paths }) => paths)
  const paths = patterns.flatMap((pattern) => {
    const [methods = '', path = ''] = pattern.split(' ', 2)
    return methods === '*' || methods.split(',').includes('GET') ? [path.replace(/\/\*\*$/, '')] : []
  })
  return paths.find((path) => path !== '' && !/[*{]/.test(path)) ?? '/'
}
