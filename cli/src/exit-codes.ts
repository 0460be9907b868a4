/** How a run ends, for scripts. docs/cli.md shows this table. */
export const exitCodes = {
  failed: { code: 1, means: 'something unexpected; the message says what to do' },
  usage: { code: 2, means: 'the command was called wrongly' },
  signed_out: { code: 3, means: 'nobody is signed in there, or the sign-in is over: valetkey login' },
  refused: { code: 4, means: 'not allowed: by role, policy, or what was allowed to this terminal' },
  not_found: { code: 5, means: 'no such project, token or file' },
  unreachable: { code: 6, means: 'the server does not answer, or only with errors of its own; trying later may help' },
  busy: { code: 7, means: 'the server asks to wait longer than a command waits (429)' },
  denied: { code: 8, means: 'a person said no, or nobody answered in time' },
  strange: { code: 9, means: 'the answer did not come from Valetkey, or not whole' },
  attention: { code: 10, means: 'a connection needs a person first: reconnect, lift a freeze, revoke a token' },
  unconfirmed: { code: 11, means: 'done here, and not confirmed by the other side' },
  not_started: { code: 125, means: 'exec: the program was not started' },
  not_executable: { code: 126, means: 'exec: the program cannot be run' },
  no_program: { code: 127, means: 'exec: there is no such program' },
  interrupted: { code: 130, means: 'Ctrl-C, or a question that was left' },
} as const

export type Exit = keyof typeof exitCodes
