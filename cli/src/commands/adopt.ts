import { command } from '../command.ts'
import { Failure } from '../failure.ts'

export const adopt = command({
  name: 'adopt',
  summary: 'Find long-lived tokens in files of other programs, and have Valetkey stand in for them',
  details: [
    'Looks into the files of kbagent (config.json), osa (credentials.json), gh (hosts.yml) and .netrc: in the usual places, or in the ones that are named. Says what each token is, which linked project can stand in for it and how, and what to delete upstream. Shows the change as a diff in which everything secret is masked, and changes nothing.',
    '--write does it: it takes the tokens out of the file, in one step and where nobody has changed it meanwhile, and for .netrc has git ask valetkey. A token without a linked project stays; for one whose host is known to Valetkey the browser is opened to link it.',
    'Where a file says on which development branch its person works (kbagent), --write sets it at their connection; with --aliases the projects are called here as they were called there, for everybody, and their former aliases keep working.',
    'No token is sent anywhere. With --verify each is sent to its own host, and to no other, to ask what it may do.',
    'Where there is a keychain, it keeps the old content for --undo until --forget. Where there is none there is no undo: that is said before anything is written, and has to be agreed to, off a terminal with --without-undo.',
    'Nothing is revoked: a token that was taken out of a file is still good. Delete it upstream, as is said.',
  ],
  arguments: [
    { name: 'file', description: 'where to look; the usual places where none is named', optional: true, several: true },
  ],
  options: {
    write: { is: 'switch', description: 'change the files' },
    project: { is: 'value', value: '<alias>', description: 'the project that stands in, where several could' },
    aliases: { is: 'switch', description: 'call the projects here as the file calls them' },
    verify: { is: 'switch', description: 'ask the host of each token what it may do' },
    undo: { is: 'switch', description: 'put the old content of a file back' },
    forget: { is: 'switch', description: 'remove what is kept for --undo' },
    withoutUndo: { is: 'switch', description: 'agree that there is no undo' },
  },
  examples: [
    { line: 'valetkey adopt', what: 'what there is, and what would be done' },
    { line: 'valetkey adopt --write ~/.netrc', what: 'do it, for one file' },
    { line: 'valetkey adopt --undo ~/.netrc', what: 'and back' },
  ],
  async run(cli, { args: files, options: { undo, forget, ...options } }) {
    if (!undo && !forget) return (await import('../adopt/index.ts')).adoptFiles(cli, { files, ...options })
    const [file, ...others] = files
    if (file === undefined || others.length > 0 || (undo && forget) || options.write)
      throw new Failure('usage', 'Which file? One is taken, with --undo or --forget alone.')
    const { resolve } = await import('node:path')
    const acts = await import('../adopt/undo.ts')
    await (undo ? acts.undo : acts.forget)(cli, resolve(cli.cwd, file))
    return 0
  },
})
