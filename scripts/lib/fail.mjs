/** Something the person at the keyboard can act on: shown as one sentence, without a stack. */
export class Failure extends Error {
  /** @param {string} message what is wrong and the next step */
  constructor(message, options) {
    super(message, options)
    this.name = 'Failure'
  }
}

/** Prints a thrown value the way people should see it: a `Failure` is its sentence, anything else is our own bug. */
export function report(error) {
  console.error(error instanceof Failure ? `\n${error.message}` : error)
}

/** True when this module file is the one Node was started with. */
export function isMain(meta) {
  return process.argv[1] !== undefined && meta.filename === process.argv[1]
}
