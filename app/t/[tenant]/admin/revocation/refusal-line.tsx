import { plural } from '@/app/_features/words.ts'
import type { Actor } from '@/lib/actor.ts'
import { refusal } from '@/lib/broker/read/refusal.ts'
import type { Context } from '@/lib/context.ts'

const milliseconds = (value: number) => `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')} ms`

/** How fast what is revoked is refused here, as measured; nothing before the first reading. */
export async function RefusalLine({ ctx, actor }: { ctx: Context; actor: Actor }) {
  const { p50, p99, readings, processes } = await refusal(ctx, actor)
  if (p50 === null || p99 === null) return null
  return (
    <p className="text-muted text-sm tabular-nums">
      Refused after revoking: {milliseconds(p50)} (p50), {milliseconds(p99)} (p99). Measured {plural(readings, 'time')}{' '}
      in the last hour with a token of Valetkey’s own, now at {plural(processes, 'process')}.
    </p>
  )
}
