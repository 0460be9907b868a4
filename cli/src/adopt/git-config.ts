import type { Cli } from '../cli.ts'
import { Failure } from '../failure.ts'
import { runProgram } from '../programs.ts'

const git = (cli: Pick<Cli, 'env'>, ...args: string[]) =>
  runProgram('git', ['config', '--global', ...args], { env: cli.env })

/** Answers whether it was set by this: it may be there already. @throws Failure */
export async function setGit(cli: Pick<Cli, 'env'>, name: string, value: string): Promise<boolean> {
  const present = await git(cli, '--get-all', name)
  if (present?.stdout.split('\n').includes(value)) return false
  const added = await git(cli, '--add', name, value)
  if (added?.code === 0) return true
  throw new Failure('failed', added ? `git does not take ${name}: ${added.stderr.trim()}` : 'There is no git here.', {
    next: `Nothing was written. By hand: git config --global --add ${name} '${value}'`,
  })
}

export const unsetGit = (cli: Pick<Cli, 'env'>, name: string, value: string) =>
  git(cli, '--fixed-value', '--unset-all', name, value)
