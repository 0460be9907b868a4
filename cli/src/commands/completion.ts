import { command } from '../command.ts'

export const shells = ['bash', 'zsh', 'fish'] as const

export const completion = command({
  name: 'completion',
  summary: 'Write the script that completes this command in a shell',
  arguments: [{ name: 'shell', description: 'which shell', choices: shells }],
  examples: [
    { line: 'source <(valetkey completion bash)', what: 'for this session; put the line into ~/.bashrc to keep it' },
    { line: 'valetkey completion zsh > "$fpath[1]/_valetkey"', what: 'zsh; then start a new shell' },
    { line: 'valetkey completion fish > ~/.config/fish/completions/valetkey.fish', what: 'fish' },
  ],
  async run(cli, { args: [shell] }) {
    const { completionFor } = await import('../completion.ts')
    const script = completionFor(shell === 'zsh' || shell === 'fish' ? shell : 'bash')
    cli.out.answer({ shell, script }, () => cli.out.secret(script))
  },
})
