// The conformance package names an export of Node 22 that its client scenarios never call; the floor here is Node 20.
import { register } from 'node:module'

const shim = 'data:text/javascript,export * from "node:fs"; export const globSync = () => []'
const hook = `export const resolve = (specifier, context, next) =>
  specifier === 'fs' && context.parentURL?.includes('@modelcontextprotocol/conformance')
    ? { url: ${JSON.stringify(shim)}, shortCircuit: true }
    : next(specifier, context)`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
