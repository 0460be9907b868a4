import * as z from 'zod/mini'
import { parsed } from '../accounts.ts'
import type { Cli } from '../cli.ts'
import { openSession } from '../session.ts'
import { requireBearer } from './bearer.ts'
import { type Asked, keptToken } from './kept.ts'

const versions = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1'] as const

/** What kubectl says of itself. Whether it stands in a terminal does not matter: nobody is ever asked anything here. */
const Info = z.object({ apiVersion: z.enum(versions), kind: z.literal('ExecCredential') })

/** The credential plugin of kubectl and everything else that uses client-go (client.authentication.k8s.io). @throws Failure */
export async function answerKubernetes(cli: Cli, asked: Omit<Asked, 'purpose'>): Promise<void> {
  const info = cli.env.KUBERNETES_EXEC_INFO
  const { apiVersion } = info ? parsed(Info, info, 'KUBERNETES_EXEC_INFO') : { apiVersion: versions[0] }
  const session = await openSession(cli)
  const kept = await keptToken(cli, session, {
    ...asked,
    purpose: 'credential-helper: kubernetes',
    check: requireBearer,
  })
  const status = { expirationTimestamp: kept.expires_at.replace(/\.\d+Z$/, 'Z'), token: kept.value }
  cli.out.secret(`${JSON.stringify({ apiVersion, kind: 'ExecCredential', status })}\n`)
}
