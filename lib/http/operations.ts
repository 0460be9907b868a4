import type { Operation } from './operation.ts'
import * as instance from './operations/instance.ts'

/** Every operation of the JSON API, in the order in which the documentation shows them. */
export const operations: readonly Operation[] = [instance].flatMap((area) => Object.values<Operation>({ ...area }))
