// What the console reads of a config.json of kbagent, in the browser.
import { describe, expect, it } from 'vitest'
import { aliasFrom, kbagentProjects } from '../../lib/client/kbagent.ts'

const secret = 'CANARY'
const fileOf = (projects: unknown, more: object = {}) => JSON.stringify({ version: 1, projects, ...more })

describe('a config.json of kbagent', () => {
  it('ASK-09 K-25: is read with alias, stack, number and active branch of each project, and without any token', () => {
    const text = fileOf({
      prod: {
        stack_url: 'https://connection.keboola.com/',
        token: `10-20-${secret}`,
        project_id: 10,
        project_name: 'Sales',
        active_branch_id: 345,
      },
      numbered: {
        stack_url: 'https://connection.eu-central-1.keboola.com',
        token: `11-21-${secret}`,
        project_id: null,
      },
      old: { stack_url: 'https://connection.keboola.com', token: `21-${secret}` },
      session: {
        stack_url: 'https://connection.keboola.com',
        token: 'kbc-session://12',
        project_id: 12,
        active_branch_id: null,
      },
      emptied: { stack_url: 'https://connection.keboola.com', token: '', project_id: 13 },
    })
    const found = kbagentProjects(text)
    expect(found).toEqual([
      {
        alias: 'prod',
        stack: 'https://connection.keboola.com',
        host: 'connection.keboola.com',
        number: '10',
        name: 'Sales',
        branch: '345',
      },
      expect.objectContaining({
        alias: 'numbered',
        host: 'connection.eu-central-1.keboola.com',
        number: '11',
        branch: null,
      }),
      expect.objectContaining({ alias: 'old', number: null }),
      expect.objectContaining({ alias: 'session', number: '12' }),
      expect.objectContaining({ alias: 'emptied', number: '13' }),
    ])
    expect(JSON.stringify(found)).not.toContain(secret)
  })

  it('what is no such file is none, whatever it is; an entry without a stack is left out', () => {
    for (const text of [
      '',
      'null',
      '[]',
      '{}',
      '{"projects":[]}',
      fileOf({ a: 1 }),
      fileOf({ a: [] }),
      '{"projects":{"a":',
    ])
      expect(kbagentProjects(text)).toBeUndefined()
    expect(kbagentProjects(fileOf({}))).toEqual([])
    for (const stack_url of [undefined, 7, '', 'connection.keboola.com', 'javascript:alert(1)', 'file:///etc/passwd'])
      expect(kbagentProjects(fileOf({ a: { stack_url, token: 'x' } }))).toEqual([])
    const odd = {
      stack_url: 'https://connection.keboola.com',
      token: 5,
      project_id: '10',
      active_branch_id: -1,
      project_name: {},
    }
    expect(kbagentProjects(fileOf({ a: odd }))).toMatchObject([{ number: null, branch: null, name: null }])
  })

  it('an alias is spelt as it may be here', () => {
    const names = ['prod', 'Prod_EU', 'Räport 2026', '--x--', 'a'.repeat(80), `${'a'.repeat(62)}-b`, '日本', '']
    expect(names.map(aliasFrom)).toEqual([
      'prod',
      'prod-eu',
      'raport-2026',
      'x',
      'a'.repeat(63),
      'a'.repeat(62),
      undefined,
      undefined,
    ])
  })
})
