import { z } from 'zod'
import { reportLeak, reportMax } from '../broker/leaks.ts'
import { BrokerError } from '../errors.ts'
import { isModestJson } from '../security/json.ts'
import { Answer } from './answer.ts'
import { takeLimit } from './limits.ts'
import { dataHeaders } from './problem.ts'
import { type Edge, edge, readBody } from './request.ts'

/** A hundred of the longest, and some. */
const bodyMax = 1024 * 1024
const valueMax = 8_192

/** Strict: a field that does not count is a misunderstanding, and its sender should know. */
const leakReport = z.strictObject({
  tokens: z.array(z.string().min(1).max(valueMax)).min(1).max(reportMax),
})

/**
 * The leak desk's public door: whoever found a token of ours shows it here, and it is ended, because whoever holds it could do
 * more with it than that. Nobody authenticates, no cookie is read. Always 202 for what has been taken, whether anything is
 * known of it or not.
 */
export const reportEndpoint = (): Edge =>
  edge({ kind: 'oauth', name: 'report', method: 'POST', path: '/oauth/report' }, async (call) => {
    const { ctx, request, address, agent, requestId } = call
    await takeLimit(ctx, 'leakReport', { address })
    if (!/^application\/json\s*(;|$)/i.test(request.headers.get('content-type') ?? ''))
      throw new BrokerError('unsupported_media_type')
    const { tokens } = readReport(await readBody(request, bodyMax))
    await reportLeak(ctx, tokens, { address, agent, requestId })
    return { response: new Answer(202, dataHeaders) }
  })

/** @throws BrokerError bad_request, which repeats nothing of what was sent */
function readReport(text: string): z.output<typeof leakReport> {
  let value: unknown
  try {
    value = isModestJson(Buffer.from(text)) ? JSON.parse(text) : undefined
  } catch {
    // The parser's message holds a part of the text.
    throw new BrokerError('bad_request', { detail: 'The body is not JSON.' })
  }
  const parsed = leakReport.safeParse(value)
  if (parsed.success) return parsed.data
  // No field is named: what is wrong may be a value that stands where a name should.
  throw new BrokerError('bad_request', { detail: `Send {"tokens": […]} with 1 to ${reportMax} whole values.` })
}
