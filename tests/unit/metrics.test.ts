import { context, propagation, trace } from '@opentelemetry/api'
import { afterEach, expect, it } from 'vitest'
import { createMetrics } from '../../lib/metrics.ts'
import { serverSpan, span, untraced } from '../../lib/trace.ts'
import { attachSdk } from '../support/telemetry.ts'

let sdk: ReturnType<typeof attachSdk> | undefined
afterEach(() => {
  sdk?.stop()
  sdk = undefined
})
const attached = () => {
  sdk = attachSdk()
  return sdk
}

it('names and units follow the conventions, and only the closed labels exist', async () => {
  const { registry } = createMetrics()
  const labels = new Set<string>()
  for (const { name, help, type } of await registry.getMetricsAsJSON()) {
    expect(name).toMatch(/^valetkey_[a-z_]+$/)
    expect(help.length, name).toBeGreaterThan(5)
    if (String(type) === 'counter') expect(name).toMatch(/_total$/)
    if (String(type) === 'histogram') expect(name).toMatch(/_seconds$/)
    const metric = registry.getSingleMetric(name)
    if (metric && 'labelNames' in metric) for (const label of metric.labelNames as string[]) labels.add(label)
  }
  expect([...labels].sort()).toEqual(
    [
      'call',
      'cause',
      'direction',
      'kind',
      'node',
      'operation',
      'outcome',
      'purpose',
      'state',
      'status',
      'strategy',
      'version',
      'work',
    ].sort(),
  )
})

it('two contexts of one process count apart', async () => {
  const [one, other] = [createMetrics(), createMetrics()]
  one.seals.inc()
  expect(await one.registry.metrics()).toContain('valetkey_seals_total 1')
  expect(await other.registry.metrics()).toContain('valetkey_seals_total 0')
})

it('a wait counts from the first busy answer to the first other one, once a caller, patience included', async () => {
  const metrics = createMetrics()
  const count = async () => /refresh_wait_seconds_count (\d+)/.exec(await metrics.registry.metrics())?.[1]
  const winner = metrics.watchClaims()
  winner.answered('claimed')
  expect(await count()).toBe('0')
  const waiter = metrics.watchClaims()
  for (const answer of ['busy', 'busy', 'fresh']) waiter.answered(answer)
  expect(await count()).toBe('1')
  const impatient = metrics.watchClaims()
  impatient.answered('busy')
  impatient.gaveUp()
  expect(await count()).toBe('2')
  expect(await metrics.registry.metrics()).toContain('valetkey_refresh_claims_total{outcome="busy"} 3')
})

it('the process itself is observed once, however often that is asked', async () => {
  const metrics = createMetrics()
  metrics.observeProcess()
  metrics.observeProcess()
  const text = await metrics.registry.metrics()
  for (const name of [
    'nodejs_eventloop_lag_p50_seconds',
    'nodejs_eventloop_lag_p99_seconds',
    'process_cpu_seconds_total',
  ])
    expect(text).toContain(`# TYPE ${name}`)
  expect(text).toMatch(/valetkey_build_info\{version="[\d.]+",node="v[\d.]+"\} 1/)
})

it('without an SDK a span is nothing, and errors pass through', async () => {
  await expect(span('work', {}, async (active) => active.isRecording())).resolves.toBe(false)
  await expect(span('work', {}, () => Promise.reject(new Error('as it was')))).rejects.toThrow('as it was')
})

it('V-08: of an error a span tells the code, never the text, the cause or the stack', async () => {
  const { spans, text } = attached()
  const error = new Error('the upstream said s3cret', { cause: new Error('s3cret') })
  await expect(span('work', {}, () => Promise.reject(error))).rejects.toThrow()
  const refused = Object.assign(new Error('s3cret'), { name: 'UpstreamError', failure: 'refused' })
  await expect(span('work', {}, () => Promise.reject(refused))).rejects.toThrow()
  expect(spans().map(({ attributes }) => attributes['error.type'])).toEqual(['Error', 'refused'])
  expect(text()).not.toContain('s3cret')
})

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'

it('a request continues the trace that its headers name, work inside it belongs to it', async () => {
  const { spans } = attached()
  await serverSpan('readMe', {}, new Headers({ traceparent }), () => span('inner', {}, async () => undefined))
  await serverSpan('readMe', {}, new Headers(), async () => undefined)
  const [inner, outer, alone] = spans()
  expect(outer?.spanContext().traceId).toBe(traceparent.split('-')[1])
  expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId)
  expect(alone?.spanContext().traceId).not.toBe(outer?.spanContext().traceId)
  expect(alone?.parentSpanContext).toBeUndefined()
})

it('V-08: untraced work leaves no span and gives no trace header to whoever injects one', async () => {
  const { spans } = attached()
  const sent: Record<string, string> = {}
  const instrumentation = async () => {
    await trace.getTracer('somebody’s').startActiveSpan('GET https://upstream.example/?code=x', async (active) => {
      propagation.inject(context.active(), sent)
      active.end()
    })
  }
  await span('upstream refresh', {}, () => untraced(instrumentation))
  expect(spans().map(({ name }) => name)).toEqual(['upstream refresh'])
  expect(sent).toEqual({})
  await span('control', {}, instrumentation)
  expect(sent.traceparent).toBeDefined()
})
