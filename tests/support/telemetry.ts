import { AsyncLocalStorage } from 'node:async_hooks'
import { type Context, type ContextManager, context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'

/** What the Node SDK registers, without its packages: contexts follow promises. */
function asyncContexts(): ContextManager {
  const storage = new AsyncLocalStorage<Context>()
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (active, work, self, ...args) => storage.run(active, () => Reflect.apply(work, self, args)),
    bind: (_, target) => target,
    enable: () => manager,
    disable: () => manager,
  }
  return manager
}

/** An operator's SDK in this process: every span that ends is kept. Undone by `stop`. */
export function attachSdk() {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  context.setGlobalContextManager(asyncContexts())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  return {
    spans: () => exporter.getFinishedSpans(),
    /** Whatever an exporter could send of a span. */
    text: () =>
      exporter
        .getFinishedSpans()
        .map(({ name, attributes, events, links, status, resource }) =>
          JSON.stringify({ name, attributes, events, links, status, resource: resource.attributes }),
        )
        .join('\n'),
    stop() {
      trace.disable()
      context.disable()
      propagation.disable()
    },
  }
}
