import type { Cli } from '../cli.ts'
import { openSession } from '../session.ts'
import { requireBearer } from './bearer.ts'
import { type Asked, keptToken } from './kept.ts'

/** Headers for an MCP client that runs a program to get them: a JSON object, names and values. @throws Failure */
export async function answerMcp(cli: Cli, asked: Omit<Asked, 'purpose'>): Promise<void> {
  const session = await openSession(cli)
  const { value } = await keptToken(cli, session, { ...asked, purpose: 'credential-helper: mcp', check: requireBearer })
  cli.out.secret(`${JSON.stringify({ Authorization: `Bearer ${value}` })}\n`)
}
