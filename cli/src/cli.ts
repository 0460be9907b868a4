import type { Readable, Writable } from 'node:stream'
import type { Http } from './http.ts'
import type { Output } from './output.ts'

/** Everything that a command has from outside. Nothing else in here reads the process, the clock or the network. */
export type Cli = {
  env: Readonly<Record<string, string | undefined>>
  cwd: string
  /** Folder of settings and, where there is no keychain, of credentials. */
  home: string
  given: { server: string | undefined; tenant: string | undefined; caFile: string | undefined }
  out: Output
  now(): Date
  /** Of no date; it never jumps. */
  monotonicSeconds(): number
  /** @throws the reason for which {@link signal} aborts */
  wait(seconds: number): Promise<void>
  http: Http
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
  platform: NodeJS.Platform
  /** The terminal of a person who can be asked; undefined: nobody is there. */
  person?: { input: Readable; output: Writable }
}
