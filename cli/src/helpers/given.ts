import type { Cli } from '../cli.ts'
import { readAddress } from '../place.ts'
import { openSession, type Session } from '../session.ts'
import type { Allowed } from './hosts.ts'
import type { Asked } from './kept.ts'

/** Whoever is signed in where a host's tokens come from. A token in the environment is for the server that is named there alone. */
export function sessionFor(cli: Cli, { server, tenant }: Allowed): Promise<Session> {
  const { VALETKEY_TOKEN: _, ...others } = cli.env
  const named = cli.env.VALETKEY_SERVER
  const isNamed = named !== undefined && readAddress(named, 'VALETKEY_SERVER').server === server
  return openSession({ ...cli, env: isNamed ? cli.env : others, given: { ...cli.given, server, tenant } })
}

export const askedFor = ({ project, choice }: Allowed, program: string): Asked => ({
  project,
  choice,
  purpose: `credential-helper: ${program}`,
})
