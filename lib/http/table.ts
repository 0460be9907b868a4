import type { Method } from './operation.ts'
import { answeringOf, type RouteHandler } from './request.ts'

/** A path that is answered before Next: the very export of its route file. `:name` stands for one plain segment. */
export type MachineRoute = { method: Method; path: string; handle: RouteHandler }

type Answering = ReturnType<typeof answeringOf>
export type Found = { answering: Answering; params: Record<string, string> }

/** As it is written, without escapes that somebody would have to undo. */
const plainSegment = /^(?!\.\.?$)[\w.~-]+$/

/**
 * Finds the route of a method and a path: what has no parameters by the path itself, the rest by their number of segments. What
 * is spelled in any other way is Next's to judge.
 */
export function createTable(routes: readonly MachineRoute[]): (method: string, path: string) => Found | undefined {
  const exact = new Map<string, Found>()
  const patterns = new Map<number, { method: string; segments: string[]; answering: Answering }[]>()
  for (const { method, path, handle } of routes) {
    const answering = answeringOf(handle)
    for (const one of method === 'GET' ? ['GET', 'HEAD'] : [method]) {
      const segments = path.split('/')
      if (!path.includes(':')) exact.set(`${one} ${path}`, { answering, params: {} })
      else
        patterns.set(segments.length, [...(patterns.get(segments.length) ?? []), { method: one, segments, answering }])
    }
  }
  return (method, path) => {
    const found = exact.get(`${method} ${path}`)
    if (found) return found
    const segments = path.split('/')
    for (const pattern of patterns.get(segments.length) ?? []) {
      const params = pattern.method === method ? match(pattern.segments, segments, plainSegment) : undefined
      if (params) return { answering: pattern.answering, params }
    }
    return undefined
  }
}

/** Exactly as many segments, each equal or a parameter. */
export function match(
  pattern: string[],
  segments: string[],
  parameter: { test: (segment: string) => boolean },
): Record<string, string> | undefined {
  if (pattern.length !== segments.length) return undefined
  const params: Record<string, string> = {}
  for (let index = 0; index < pattern.length; index += 1) {
    const [part = '', segment = ''] = [pattern[index], segments[index]]
    if (part.startsWith(':')) {
      if (!parameter.test(segment)) return undefined
      params[part.slice(1)] = segment
    } else if (part !== segment) return undefined
  }
  return params
}
