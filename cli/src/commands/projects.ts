import { command } from '../command.ts'

export const projects = command({
  name: 'projects',
  summary: 'List the projects that tokens can be had for',
  examples: [
    { line: 'valetkey projects', what: 'by the names that the other commands take' },
    { line: 'valetkey projects --json', what: 'for a script' },
  ],
  run: async (cli) => (await import('../projects.ts')).showProjects(cli),
})
