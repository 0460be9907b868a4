import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'

/** Where git keeps the program that answers its protocol over HTTP; undefined where it is not installed. */
export function findGitBackend(): string | undefined {
  try {
    const folder = execFileSync('git', ['--exec-path'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim()
    const path = join(folder, 'git-http-backend')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

/** A git server of the repositories in a folder: `git http-backend` as RFC 3875 has it. */
export function answerGit(backendPath: string, root: string, request: IncomingMessage, response: ServerResponse): void {
  const { pathname, search } = new URL(request.url ?? '', 'http://git')
  const backend = spawn(backendPath, {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method ?? '',
      REMOTE_USER: 'somebody',
      CONTENT_TYPE: request.headers['content-type'] ?? '',
      HTTP_CONTENT_ENCODING: request.headers['content-encoding'] ?? '',
      HTTP_GIT_PROTOCOL: String(request.headers['git-protocol'] ?? ''),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  request.pipe(backend.stdin)
  const pieces: Buffer[] = []
  backend.stdout.on('data', (piece: Buffer) => pieces.push(piece))
  backend.on('close', () => {
    const all = Buffer.concat(pieces)
    const end = all.indexOf('\r\n\r\n')
    for (const line of all.subarray(0, end).toString().split('\r\n')) {
      const [name = '', value = ''] = line.split(/: (.*)/s)
      if (name === 'Status') response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.end(all.subarray(end + 4))
  })
}
