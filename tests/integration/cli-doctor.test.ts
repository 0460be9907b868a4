import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestApp, type TestApp } from '../support/app.ts'
import { type Machine, startMachine } from '../support/bare-machine.ts'
import { serve } from '../support/served.ts'

let app: TestApp
let at: Awaited<ReturnType<typeof serve>>
let machine: Machine
beforeAll(async () => {
  app = await startTestApp()
  at = await serve(app)
  machine = await startMachine()
})
afterAll(async () => {
  await machine.stop()
  await at.stop()
  await app.stop()
})

it('doctor knows the product by what it answers', async () => {
  const { code, stdout } = await machine.run(['doctor', '--server', at.origin, '--json'])
  const { server, findings } = JSON.parse(stdout) as { server: string; findings: { check: string; state: string }[] }
  expect([code, server]).toEqual([0, at.origin])
  expect(findings.find(({ check }) => check === 'answer')).toMatchObject({ state: 'ok', what: 'Valetkey, API v1' })
  const shown = await machine.run(['doctor', '--server', at.origin])
  expect([shown.code, shown.stdout]).toEqual([0, expect.stringMatching(/answer +ok +Valetkey/)])
})
