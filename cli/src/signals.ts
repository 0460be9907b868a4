import { constants } from 'node:os'

const interrupting = ['SIGINT', 'SIGTERM'] as const
const ending = [...interrupting, 'SIGHUP', 'SIGQUIT'] as const
const pausing = process.platform === 'win32' ? [] : (['SIGTSTP', 'SIGCONT'] as const)

/** What the system tells this process. */
export type Signals = {
  /** Aborts at the first Ctrl-C or SIGTERM that nobody has taken; the next one ends the process. */
  interrupted: AbortSignal
  /** We stand in front in a terminal, which sends what is typed there to our children as well. */
  fromTerminal: boolean
  /**
   * `hear` alone is told from now on, until the answer is called. Where it answers `false`, the signal does what it does to
   * a program that knows nothing of it. `pauses`: SIGTSTP and SIGCONT are told too.
   */
  take(hear: (signal: NodeJS.Signals) => boolean, options?: { pauses?: boolean }): () => void
  /** Stops this process until it is told to go on. */
  pause(): void
}

/** How a shell has it. */
export const exitCodeOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal]

export function listenToSignals(): Signals {
  const interruption = new AbortController()
  const takers: object[] = []
  const letAct = (signal: NodeJS.Signals) => {
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  }
  for (const one of interrupting)
    process.on(one, (signal) => {
      if (takers.length > 0) return
      if (interruption.signal.aborted) letAct(signal)
      interruption.abort()
    })
  return {
    interrupted: interruption.signal,
    fromTerminal: [process.stdin, process.stdout, process.stderr].some((stream) => stream.isTTY),
    take(hear, { pauses = false } = {}) {
      const taker = {}
      const heard = (signal: NodeJS.Signals) => {
        if (takers.at(-1) === taker && !hear(signal)) letAct(signal)
      }
      const taken = pauses ? [...ending, ...pausing] : ending
      takers.push(taker)
      for (const signal of taken) process.on(signal, heard)
      return () => {
        if (takers.includes(taker)) takers.splice(takers.indexOf(taker), 1)
        for (const signal of taken) process.off(signal, heard)
      }
    },
    // By the signal itself and not by SIGSTOP: where the system stops nobody (an orphaned process group), our child runs on as well.
    pause() {
      const heard = process.listeners('SIGTSTP')
      process.removeAllListeners('SIGTSTP')
      process.once('SIGCONT', () => {
        for (const one of heard) process.on('SIGTSTP', one)
      })
      process.kill(process.pid, 'SIGTSTP')
    },
  }
}
