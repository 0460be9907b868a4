import { readSeconds } from '../../lib/client/index.ts'
import { sendToBrowser } from './browser.ts'
import type { Cli } from './cli.ts'
import { Failure } from './failure.ts'
import { type Project, projectOf, projectsOf } from './projects.ts'
import { openSession, type Session } from './session.ts'

/** Seconds between two looks; a person takes longer than that. */
const pauseSeconds = 2

/** Opens the console where a project is linked or reconnected, and waits until its connection works. @throws Failure */
export async function connect(
  cli: Cli,
  { project: named, timeout = '10m' }: { project: string | undefined; timeout: string | undefined },
): Promise<void> {
  const patience = readSeconds(timeout)
  if (!patience) throw new Failure('usage', `--timeout is a time such as 10m, not ${JSON.stringify(timeout)}.`)
  const session = await openSession(cli)
  const before = new Map((await projectsOf(session)).map((project) => [project.id, linkedAt(project)]))
  const known = named === undefined ? undefined : await knownProject(session, named)
  if (known?.audience)
    throw new Failure('usage', `${known.alias} is an API of your organisation and needs no connection.`)
  const url = `${session.server}/t/${session.tenant}/projects${known ? `/${known.id}` : ''}`
  await sendToBrowser(cli, url)
  cli.out.progress('Waiting for you in the browser …')
  const isDone = (project: Project) =>
    (known ? project.id === known.id : true) &&
    project.connection?.status === 'linked' &&
    before.get(project.id) !== linkedAt(project)
  const until = cli.monotonicSeconds() + patience
  for (;;) {
    await cli.wait(pauseSeconds)
    const project = (await projectsOf(session)).find(isDone)
    if (project) return told(cli, project, !before.has(project.id) && session.account !== undefined)
    if (cli.monotonicSeconds() > until)
      throw new Failure('denied', `Nothing was linked within ${timeout}.`, {
        code: 'timeout',
        next: `Start again when you have time: valetkey connect${known ? ` ${known.alias}` : ''}`,
      })
  }
}

const linkedAt = ({ connection }: Pick<Project, 'connection'>) => connection?.linked_at

/** One that nobody here has linked is not there: then it is linked anew. */
async function knownProject(session: Session, named: string) {
  try {
    return await projectOf(session, named)
  } catch (error) {
    if (error instanceof Failure && error.exit === 'not_found') return undefined
    throw error
  }
}

/** `isNew`: it was not there when the person said what this terminal may issue for. */
function told({ out }: Cli, { alias, id, name, connection }: Project, isNew: boolean): void {
  const account = connection?.account_name ?? null
  out.answer({ project: { alias, id, name, account } }, () => {
    out.line({ text: name, style: 'bold' }, ` is connected${account === null ? '' : `, as ${account}`}.`)
    if (isNew)
      out.line(
        'This terminal may issue for the projects that you ticked when you signed in. To add this one, sign in again: ',
        { text: 'valetkey login', style: 'bold' },
      )
    out.line('Issue a token: ', { text: `valetkey token ${alias}`, style: 'bold' })
  })
}
