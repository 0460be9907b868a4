// What a filter matches, on all its pages, by the keyboard alone: sessions are ended, requests withdrawn, connections frozen and lifted.

import type { Client } from 'pg'
import type { Locator } from 'playwright/test'
import { connect } from './crowded.ts'
import { api, expect, expectAccessible, link, type Page, shoot, signIn, test } from './support.ts'

let database: Client
test.beforeAll(async () => {
  database = await connect()
  await database.query(`SELECT set_config('app.tenant_id', lookup.tenant_by_slug('acme'), false)`)
})
test.afterAll(() => database.end())

/** As who has no mouse gets there. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  await expect(target).toBeVisible()
  for (let step = 0; step < 250; step += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`the keyboard does not reach ${target}`)
}
const enter = async (page: Page, target: Locator) => {
  await tabTo(page, target)
  await page.keyboard.press('Enter')
}
const type = async (page: Page, target: Locator, text: string) => {
  await tabTo(page, target)
  await page.keyboard.type(text)
}

/** Ticks all that a page shows, once the page answers to it. */
async function tickAll(page: Page): Promise<Locator> {
  const box = page.getByRole('checkbox', { name: 'Select all on this page' })
  await expect
    .poll(() => box.evaluate((element) => Object.keys(element).some((key) => key.startsWith('__react'))))
    .toBe(true)
  await tabTo(page, box)
  await page.keyboard.press('Space')
  const bar = page.getByRole('region', { name: 'Selection' })
  await expect(bar).toBeVisible()
  return bar
}

/** A tab of the revocation page, and in it what a search finds: so many. */
async function found(page: Page, tab: string, { search, text }: { search: string; text: string }): Promise<void> {
  await enter(page, page.getByRole('link', { name: 'Revocation', exact: true }))
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Revocation')
  await enter(page, page.getByRole('navigation', { name: 'What to show' }).getByRole('link', { name: tab }))
  await expect(page.getByRole('link', { name: tab })).toHaveAttribute('aria-current', 'page')
  await type(page, page.getByRole('searchbox'), search)
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/[?&]q=/)
  await expect(page.getByText(text, { exact: true })).toBeVisible()
}

/** Everything on this page, then on all of them. */
async function chooseAll(page: Page, count: number): Promise<Locator> {
  const bar = await tickAll(page)
  await enter(page, bar.getByRole('button', { name: `Select all ${count} matches` }))
  await expect(bar).toContainText(`${count} selected (all matches)`)
  return bar
}

test('A-01 A-02: all sessions that a search finds are ended for this tenant, and who asks stays', async ({
  page,
  browser,
}) => {
  test.slow()
  const laptop = await browser.newContext()
  const stolen = await laptop.newPage()
  await signIn(stolen, 'member@acme.test')
  await signIn(page, 'owner@acme.test')
  // Of everybody: their own is among them and cannot be chosen.
  await enter(page, page.getByRole('link', { name: 'Revocation', exact: true }))
  await enter(page, page.getByRole('navigation', { name: 'What to show' }).getByRole('link', { name: 'Sessions' }))
  const own = page.getByRole('row').filter({ hasText: '(this one)' })
  await expect(own).toHaveCount(1)
  await expect(own.getByRole('checkbox')).toBeDisabled()
  await expectAccessible(page)
  await shoot(page, 'sessions')

  // More than a page of theirs.
  await database.query(`INSERT INTO session (id, token_hash, user_id, agent, auth_time, created_at, last_active_at, expires_at)
    SELECT 'ses_000e2e' || lpad(to_hex(n), 26, '0'), sha256(('selected' || n)::bytea), id, 'Mozilla/5.0 (X11; Linux) Firefox/' || n, now(), now(), now(),
      now() + interval '1 day'
    FROM "user", generate_series(1, 60) n WHERE email = 'member@acme.test'`)
  const { total } = (await api(page, 'GET', '/api/v1/tenants/acme/sessions?search=member@acme')) as { total: number }
  expect(total).toBeGreaterThan(60)
  await page.reload()
  const bar = await tickAll(page)
  await enter(page, bar.getByRole('button', { name: /^Select all \d+ matches$/ }))
  await enter(page, bar.getByRole('button', { name: 'End…' }))
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('Is not among them: it stays')
  await page.keyboard.press('Escape')
  await expect(question).toHaveCount(0)

  await found(page, 'Sessions', { search: 'member@acme', text: `${total} sessions found` })
  const chosen = await chooseAll(page, total)
  await enter(page, chosen.getByRole('button', { name: 'End…' }))
  await expect(question).toContainText(`End ${total} sessions`)
  await expect(question).toContainText('member@acme.test')
  await expect(question).not.toContainText('Is not among them')
  await expectAccessible(page)
  await shoot(page, 'sessions-question')
  await type(page, question.getByLabel('Reason'), 'laptops stolen')
  await type(page, question.getByLabel('Type acme to confirm'), 'acme')
  await enter(page, question.getByRole('button', { name: `End ${total} sessions` }))
  await page.waitForURL(/\/admin\/revocation\/act_/)
  await expect(page.getByRole('heading', { level: 1 })).toHaveText(`Revocation of ${total} sessions`)
  await expect(page.getByRole('status').filter({ hasText: 'Over: nothing is left to do.' })).toBeVisible()
  await expect(page.getByRole('main')).toContainText('no upstream has to be asked')
  await expectAccessible(page)
  await shoot(page, 'sessions-act')
  await stolen.goto('/t/acme/projects')
  await expect(stolen).not.toHaveURL(/\/t\/acme\/projects/)
  await page.goto('/t/acme/admin/revocation?show=sessions&q=member%40acme')
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  await database.query(`DELETE FROM session WHERE id LIKE 'ses_000e2e%'`)
  await laptop.close()
})

test('A-03: a link that somebody has begun is withdrawn, and they are told so', async ({ page, browser }) => {
  test.slow()
  const theirs = await browser.newContext()
  const begun = await theirs.newPage()
  await signIn(begun, 'member@acme.test')
  const { items } = (await api(begun, 'GET', '/api/v1/tenants/acme/providers')) as {
    items: { id: string; name: string }[]
  }
  const [provider] = items
  const { id } = (await api(begun, 'POST', '/api/v1/tenants/acme/attempts', { provider: provider?.id })) as {
    id: string
  }

  await signIn(page, 'owner@acme.test')
  await found(page, 'Requests', { search: id, text: '1 request found' })
  const row = page.getByRole('row').filter({ hasText: `Link to ${provider?.name}` })
  await expect(row).toContainText('member@acme.test')
  await expectAccessible(page)
  await shoot(page, 'requests')
  await tabTo(page, row.getByRole('checkbox'))
  await page.keyboard.press('Space')
  await enter(page, page.getByRole('region', { name: 'Selection' }).getByRole('button', { name: 'Withdraw…' }))
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText(`Withdraw Link to ${provider?.name}`)
  await expectAccessible(page)
  await shoot(page, 'requests-question')
  await enter(page, question.getByRole('button', { name: 'Withdraw request' }))
  await expect(page.getByRole('heading', { name: 'Nothing matches' })).toBeVisible()
  expect(await api(begun, 'GET', `/api/v1/tenants/acme/attempts/${id}`)).toMatchObject({
    status: 'failed',
    outcome: 'withdrawn',
  })
  await begun.goto(`/connect/${id}`)
  await expect(begun.getByRole('heading', { level: 1 })).toHaveText('This link was withdrawn')
  await expectAccessible(begun)
  await shoot(begun, 'withdrawn')
  await begun.goto('/t/acme/notifications')
  await expect(begun.getByText(/Revoked by an admin: 1 open request/).first()).toBeVisible()
  await theirs.close()
})

test('all connections that a search finds are frozen with a reason and an end, refused in use, and lifted', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  await link(page, 'Acme Data Science', 'owner@acme.test')
  const project = new URL(page.url()).pathname
  const linked = await database.query<{ id: string }>(
    `SELECT c.id FROM connection c JOIN connection_project p ON p.connection_id = c.id JOIN "user" u ON u.id = c.user_id
     WHERE p.project_id = $1 AND u.email = 'owner@acme.test' AND c.status = 'linked'`,
    [project.split('/').pop()],
  )
  const connection = String(linked.rows[0]?.id)
  // Sixty more beside it, which no search but this one finds.
  const name = `selected ${Date.now()}`
  await database.query('UPDATE connection SET account_name = $2 WHERE id = $1', [connection, name])
  await database.query(
    `INSERT INTO connection (tenant_id, id, user_id, provider_id, account_id, account_name, status, status_since, scopes_granted, linked_at)
     SELECT tenant_id, 'con_e2e' || lpad(to_hex(n), 29, '0'), user_id, provider_id, 'copy-' || n, account_name, 'linked', now(), '{}', now()
     FROM connection, generate_series(1, 60) n WHERE id = $1`,
    [connection],
  )
  try {
    await found(page, 'Connections', { search: name, text: '61 connections found' })
    const bar = await chooseAll(page, 61)
    await enter(page, bar.getByRole('button', { name: 'Freeze…' }))
    const question = page.getByRole('alertdialog')
    await expect(question).toContainText('Freeze 61 connections')
    await expectAccessible(page)
    await shoot(page, 'freeze-question')
    await type(page, question.getByLabel('Reason'), 'odd traffic')
    await tabTo(page, question.getByLabel('Freeze ends'))
    await page.keyboard.press('ArrowDown')
    const end = await question.getByLabel('Freeze ends').inputValue()
    expect(Number(end)).toBeGreaterThan(0)
    await enter(page, question.getByRole('button', { name: 'Freeze 61 connections' }))
    await expect(page.getByText('61 connections frozen')).toBeVisible()
    await expect(page.getByRole('row').filter({ hasText: 'frozen' }).first()).toBeVisible()
    const { rows } = await database.query(
      `SELECT count(*)::int AS count, min(reason) AS reason, bool_and(until > now()) AS ends FROM freeze_fact
       WHERE target_id = $1 OR target_id LIKE 'con_e2e%'`,
      [connection],
    )
    expect(rows).toEqual([{ count: 61, reason: 'odd traffic', ends: true }])

    await page.goto(project)
    await expect(page.getByText('Reason: odd traffic').first()).toBeVisible()
    await expectAccessible(page)
    const issue = () =>
      api(page, 'POST', `/api/v1${project.replace('/t/', '/tenants/')}/tokens`, {
        purpose: 'while it is frozen',
        expires_in: 600,
        scopes: { components: [], buckets: { 'in.c-crm': 'read' }, manage_buckets: false, read_all_files: false },
      })
    expect(await issue()).toMatchObject({ status: 409, code: 'frozen' })

    await page.goto(`/t/acme/connections/${connection}`)
    await enter(page, page.getByRole('button', { name: 'Lift freeze…' }))
    await enter(page, page.getByRole('alertdialog').getByRole('button', { name: 'Lift freeze' }))
    await expect(page.getByText('Freeze lifted by you')).toBeVisible()
    expect(await issue()).not.toMatchObject({ code: 'frozen' })
  } finally {
    await database.query(`DELETE FROM freeze_fact WHERE target_id LIKE 'con_e2e%' OR target_id = $1`, [connection])
    await database.query(`DELETE FROM connection WHERE id LIKE 'con_e2e%'`)
    await database.query(`UPDATE connection SET account_name = 'owner@acme.test' WHERE id = $1`, [connection])
  }
})
