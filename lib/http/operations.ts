import type { Operation } from './operation.ts'
import * as instance from './operations/instance.ts'

/** Every operation of the JSON API, by path: bundlers differ in the order in which they list exports. */
export const operations: readonly Operation[] = [instance]
  .flatMap((area) => Object.values<Operation>({ ...area }))
  .sort((a, b) => (`${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1))
