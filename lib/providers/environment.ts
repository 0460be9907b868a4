import type { Environment } from '../client/environment.ts'
import { type Sample, shellQuoted } from './kind.ts'

export type { Environment } from '../client/environment.ts'

/** Where no tool of an upstream's own is known, and for what works through us: its own tools would send the token elsewhere. */
export const plainEnvironment = (baseUrl: string): Environment => ({
  token: ['API_TOKEN'],
  values: { API_URL: baseUrl },
})

const assigned = ({ values }: Environment) =>
  Object.entries(values).map(([name, value]) => `${name}=${shellQuoted(value)}`)

/** For a shell that is open already. */
export const envSample = (environment: Environment, token: string): Sample => ({
  id: 'env',
  label: 'env',
  code: [`${environment.token[0]}=${shellQuoted(token)}`, ...assigned(environment)]
    .map((assignment) => `export ${assignment}`)
    .join('\n'),
})

/** The value is asked for, so that it is not in the shell's history. */
export const promptSample = (environment: Environment): Sample => {
  const [name] = environment.token
  const exported = [name, ...assigned(environment)].join(' ')
  return {
    id: 'prompt',
    label: 'prompt',
    code: `printf 'Token: '; stty -echo; IFS= read -r ${name}; stty echo; echo; export ${exported}`,
  }
}
