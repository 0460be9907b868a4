import type { Readable, Writable } from 'node:stream'
import type { Http } from './http.ts'
import type { Output } from './output.ts'
import type { Signals } from './signals.ts'

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
  /** @throws the reason for which {@link signal}, or `until`, aborts */
  wait(seconds: number, until?: AbortSignal): Promise<void>
  http: Http
  /** Everything that comes in on our input, to its end. */
  input(): Promise<string>
  /** Aborts at Ctrl-C. */
  signal: AbortSignal
  /** For what must be cleaned up after Ctrl-C, or runs another program. */
  signals: Signals
  platform: NodeJS.Platform
  /** The terminal of a person who can be asked; undefined: nobody is there. */
  person?: { input: Readable; output: Writable }
}
