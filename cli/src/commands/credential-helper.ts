import { readRights } from '../choice.ts'
import { command, type OptionSpecs } from '../command.ts'
import { Failure } from '../failure.ts'

const rightsOptions = {
  rights: { is: 'value', value: '<rights>', description: 'what the token may do: a file of JSON, or JSON' },
  strategy: { is: 'value', value: '<strategy>', description: 'how it is made, where there are several ways' },
  expires: {
    is: 'value',
    value: '<time>',
    description: 'its life: 15m, 1h, or seconds; an hour where nothing is said',
  },
} as const satisfies OptionSpecs

const project = { is: 'value', value: '<project>', description: 'alias or id' } as const

const kept =
  'The token is kept where the sign-in is kept, and given again while it lives. Signing out, or giving it back, ends it.'

const allow = command({
  name: 'credential-helper allow',
  summary: 'Say which host git and docker may be given tokens for',
  details: [
    'Without a host it shows those that are allowed. A path may follow the host: then only what is below it is meant, and git has to be told to say paths (credential.useHttpPath). What the token may do: options as of "valetkey token", or --rights.',
    'It is kept in your own settings, and never in a linked folder: a folder may come from somebody who would name a host of theirs.',
  ],
  arguments: [{ name: 'host', description: 'git.example.com, registry.example.com:5000', optional: true }],
  options: {
    project,
    ...rightsOptions,
    username: { is: 'value', value: '<name>', description: 'the user name beside it; oauth2 where nothing is said' },
    remove: { is: 'switch', description: 'give it nothing any more' },
  },
  open: true,
  examples: [
    {
      line: 'valetkey credential-helper allow git.example.com --project code --scope read_repository',
      what: 'git may read there',
    },
  ],
  run: async (cli, { args: [host], options, open }) =>
    (await import('../helpers/allow.ts')).allow(cli, { ...options, host, flags: open }),
})

const git = command({
  name: 'credential-helper git',
  summary: 'Give git a token for a host that is allowed',
  details: [
    'For git’s configuration: git config --global credential.helper "!valetkey credential-helper git". Hosts that are not allowed are left to the next helper.',
    kept,
  ],
  arguments: [{ name: 'operation', description: 'get, store or erase, as git says it' }],
  examples: [
    { line: 'git config --global credential.helper "!valetkey credential-helper git"', what: 'for all repositories' },
  ],
  run: async (cli, { args: [operation = ''] }) => (await import('../helpers/git.ts')).answerGit(cli, operation),
})

const docker = command({
  name: 'credential-helper docker',
  summary: 'Give docker a token for a registry that is allowed',
  details: [
    'Installed as docker-credential-valetkey beside this command. For ~/.docker/config.json: {"credHelpers": {"registry.example.com": "valetkey"}}.',
    kept,
  ],
  arguments: [{ name: 'operation', description: 'get, store, erase or list, as docker says it' }],
  examples: [{ line: 'echo registry.example.com | docker-credential-valetkey get', what: 'what docker asks' }],
  run: async (cli, { args: [operation = ''] }) => (await import('../helpers/docker.ts')).answerDocker(cli, operation),
})

const kubernetes = command({
  name: 'credential-helper kubernetes',
  summary: 'Give kubectl a token',
  details: [
    'For the user of a kubeconfig: exec with apiVersion client.authentication.k8s.io/v1, command valetkey, args [credential-helper, kubernetes, --project, ALIAS, …] and interactiveMode: Never.',
    kept,
  ],
  options: { project, ...rightsOptions },
  open: true,
  examples: [
    { line: 'valetkey credential-helper kubernetes --project cluster --scope view', what: 'what kubectl runs' },
  ],
  run: async (cli, { options, open }) =>
    (await import('../helpers/kubernetes.ts')).answerKubernetes(cli, await askedOf(options, open)),
})

const mcp = command({
  name: 'credential-helper mcp',
  summary: 'Give an MCP client the headers of a request',
  details: [
    'For clients that run a program to get the headers for a server of theirs ("headersHelper"): it prints them as a JSON object.',
    kept,
  ],
  options: { project, ...rightsOptions },
  open: true,
  examples: [
    {
      line: 'valetkey credential-helper mcp --project notes --read-only-tools',
      what: 'print {"Authorization":"Bearer …"}',
    },
  ],
  run: async (cli, { options, open }) =>
    (await import('../helpers/mcp.ts')).answerMcp(cli, await askedOf(options, open)),
})

export const credentialHelpers = [allow, git, docker, kubernetes, mcp]

type Options = {
  project: string | undefined
  rights: string | undefined
  strategy: string | undefined
  expires: string | undefined
}

async function askedOf({ project: named, rights, ...options }: Options, flags: string[]) {
  if (named === undefined)
    throw new Failure('usage', 'Of which project?', { next: 'Say so where the helper is named: --project ALIAS' })
  const choice = rights === undefined ? undefined : { rights: await readRights(rights) }
  return { ...options, project: named, choice, flags }
}
