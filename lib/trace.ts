import {
  type Attributes,
  context,
  createContextKey,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'

/**
 * Traces through the OpenTelemetry API alone. Without an SDK every call here does nothing; to have traces, load an SDK
 * before the process: `NODE_OPTIONS="--import ./otel.mjs" npm start`. Attributes are ids, codes and counts: no values,
 * no messages, no addresses (V-08). An exception's text is left out, because it may quote what a library was given.
 */
export function span<T>(name: string, attributes: Attributes, work: (span: Span) => Promise<T>): Promise<T> {
  return trace.getTracer('valetkey').startActiveSpan(name, { attributes }, (active) => run(active, work))
}

/**
 * The span of an incoming request: under the caller's (W3C Trace Context) where its headers say so, else a trace of its
 * own. The listener drops these headers unless a trusted proxy stands in front.
 */
export function serverSpan<T>(
  name: string,
  attributes: Attributes,
  headers: Headers,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const carrier: Record<string, string> = {}
  for (const header of ['traceparent', 'tracestate']) {
    const value = headers.get(header)
    if (value !== null) carrier[header] = value
  }
  // From the root: whatever is active here was made by somebody else's reading of the same request.
  const caller = propagation.extract(ROOT_CONTEXT, carrier)
  const options = { attributes, kind: SpanKind.SERVER }
  return trace.getTracer('valetkey').startActiveSpan(name, options, caller, (active) => run(active, work))
}

async function run<T>(active: Span, work: (span: Span) => Promise<T>): Promise<T> {
  try {
    return await work(active)
  } catch (error) {
    active.setAttribute('error.type', typeOf(error))
    active.setStatus({ code: SpanStatusCode.ERROR })
    throw error
  } finally {
    active.end()
  }
}

/** Low cardinality, as the semantic conventions ask: our code or failure where there is one, else the class. */
function typeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  if (error.name === 'BrokerError' && 'code' in error) return String(error.code)
  if (error.name === 'UpstreamError' && 'failure' in error) return String(error.failure)
  return error.name
}

/** The key by which every SDK and instrumentation is told to record and to propagate nothing (OpenTelemetry core). */
const suppressed = createContextKey('OpenTelemetry SDK Context Key SUPPRESS_TRACING')

/**
 * Runs work that no instrumentation may see: calls to upstreams, which must get no trace headers of ours and whose
 * bodies and URLs belong in no span, and Next, whose own spans hold whole URLs with codes and states.
 */
export function untraced<T>(work: () => T): T {
  return context.with(context.active().setValue(suppressed, true), work)
}
