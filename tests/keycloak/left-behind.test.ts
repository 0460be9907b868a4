import { fork } from 'node:child_process'
import { once } from 'node:events'
import { expect, inject, it } from 'vitest'
import { isAlive, waitFor } from '../../scripts/lib/processes.mjs'

it('a server does not outlive who started it, not even by a SIGKILL', async () => {
  const starter = fork('tests/support/keycloak-starter.ts', [JSON.stringify(inject('keycloak').tls)], {
    execArgv: ['--import', 'tsx'],
  })
  const [pid] = (await once(starter, 'message')) as [number]
  expect(isAlive(pid)).toBe(true)
  starter.kill('SIGKILL')
  expect(await waitFor(async () => !isAlive(pid), 10_000)).toBe(true)
})
