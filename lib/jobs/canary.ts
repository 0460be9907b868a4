import type { Context } from '../context.ts'
import { newId } from '../security/ids.ts'
import { deriveKey, hash, keyedHash, randomToken, tokenOf } from '../security/secrets.ts'
import {
  askForCanary,
  beginCanaryEnd,
  canaryTenant,
  insertCanary,
  keepReading,
  nextCanary,
  sweepCanaries,
} from '../store/canary.ts'
import { markGrantsEnded } from '../store/grants.ts'
import { asSystem } from '../store/system.ts'

/**
 * How fast is what was revoked refused, by every process? A token of our own is revoked every ten seconds, and all processes ask for it every few
 * milliseconds until they are refused (docs/decisions/0099). It takes the way of any program's access token, and has no tenant: nothing
 * lists, counts or records it.
 */

/** Nobody has to be told the token: each process makes it of the secret that all of them have. It opens nothing. */
const tokenHash = ({ config }: Pick<Context, 'config'>, id: string) =>
  hash(tokenOf('at', keyedHash(deriveKey(config.secret, 'refusal'), id)).reveal())

const everySeconds = 10
const pauseMilliseconds = 2
/** Long enough for every process to see it before it ends. */
const inSeconds = 3
/** A process that still lets it in by then is an alarm. */
export const patienceMilliseconds = 5_000

/** Makes the next canary where it is time for one and nobody else does; its id. What earlier ones left is deleted. */
export const makeCanary = (ctx: Context): Promise<string | undefined> =>
  asSystem(ctx, canaryTenant, 'job', async (tx) => {
    const id = newId('grant')
    if (!(await insertCanary(tx, { id, hash: tokenHash(ctx, id), inSeconds, everySeconds }))) return undefined
    await sweepCanaries(tx)
    return id
  })

/** Revokes it as any grant is revoked. */
export const endCanary = (ctx: Context, id: string): Promise<void> =>
  asSystem(ctx, canaryTenant, 'job', async (tx) => {
    if (!(await beginCanaryEnd(tx, id))) return
    await markGrantsEnded(tx, canaryTenant, [id], { cause: 'revoked', by: null, now: ctx.now() })
  })

/**
 * Asks for the canary until it is refused, and keeps how long after its revocation that was: milliseconds. Undefined where it says
 * nothing: it was refused from the first, or nobody revoked it.
 */
export async function watchCanary(
  ctx: Context,
  { id, process, patience = patienceMilliseconds }: { id: string; process: string; patience?: number },
): Promise<number | undefined> {
  const asked = tokenHash(ctx, id)
  const until = performance.now() + patience
  let answer = await askForCanary(ctx, asked)
  if (!answer.stands) return undefined
  while (answer.stands && performance.now() < until) {
    // All processes ask at once: without a pause they would keep the revocation waiting that they measure.
    await ctx.sleep(pauseMilliseconds)
    answer = await askForCanary(ctx, asked)
  }
  const milliseconds = await keepReading(ctx, { id, process, at: answer.at })
  if (milliseconds === undefined) return undefined
  ctx.metrics.refusals.observe(milliseconds / 1000)
  if (answer.stands)
    ctx.log.error({ canary: id, milliseconds, alarm: true }, 'a revoked token is not refused by this process')
  return milliseconds
}

const lookMilliseconds = 1_000
/** Watching begins this long before the end. */
const leadMilliseconds = 150

/** Makes, watches and ends canaries until stopped, on every instance. What fails is left out: the next one is ten seconds away. */
export function startCanary(ctx: Context): () => Promise<void> {
  const process = randomToken()
  const stopping = new AbortController()
  let own: string | undefined
  let running: Promise<void> | undefined
  const round = async () => {
    const next = await nextCanary(ctx)
    if (!next) {
      own = (await makeCanary(ctx)) ?? own
      return
    }
    const wait = next.milliseconds - leadMilliseconds
    if (wait > lookMilliseconds) return
    await ctx.sleep(Math.max(0, wait))
    if (stopping.signal.aborted) return
    await Promise.all([
      watchCanary(ctx, { id: next.id, process }),
      next.id === own && ctx.sleep(leadMilliseconds).then(() => endCanary(ctx, next.id)),
    ])
  }
  const timer = setInterval(() => {
    running ??= round()
      .catch((error: unknown) => ctx.log.debug({ err: error }, 'a canary was left out'))
      .finally(() => {
        running = undefined
      })
  }, lookMilliseconds)
  return async () => {
    clearInterval(timer)
    stopping.abort()
    await running
  }
}
