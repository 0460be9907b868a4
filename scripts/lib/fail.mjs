/** Something the person at the keyboard can act on: shown as one sentence, without a stack. */
export class Failure extends Error {
  name = 'Failure'
}

/** What the file system refuses, in words; the code may sit in the error or in the output of a tool. */
const REFUSALS = [
  [/ENOSPC|No space left on device|Check free disk space/, 'The disk is full. Free some space and start again.'],
  [/EROFS|Read-only file system/, 'The folder is read-only. Set VALETKEY_DATA_DIR to a writable one.'],
]

/** Prints a thrown value the way people should see it: a `Failure` is its sentence, anything else is our own bug. */
export function report(error) {
  const text = `${error?.code ?? ''} ${error?.message ?? error} ${error?.output ?? ''}`
  const refusal = REFUSALS.find(([pattern]) => pattern.test(text))
  if (refusal) console.error(`\n${refusal[1]}`)
  else console.error(error instanceof Failure ? `\n${error.message}` : error)
}

/** True when this module file is the one Node was started with. */
export function isMain(meta) {
  return meta.filename === process.argv[1]
}

/** The last lines of a log, for a message. */
export function lastLines(text, count = 5) {
  return text.trim().split('\n').slice(-count).join('\n')
}

/** A log of JSON lines as people read it: what each line says, with what it names; other lines as they are. */
export function plainLog(text) {
  return text
    .split('\n')
    .map((line) => {
      try {
        const { msg, problems = [], err } = JSON.parse(line)
        const cause = err && [err.type, err.reason, err.stack].filter(Boolean).join('\n')
        return [msg, ...problems.map((problem) => `  - ${problem}`), cause].filter(Boolean).join('\n')
      } catch {
        return line
      }
    })
    .join('\n')
}
