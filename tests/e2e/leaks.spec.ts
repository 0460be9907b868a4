// A token that leaked is found with the keyboard alone, and revoked; and what happened is found again.
import { z } from 'zod'
import { api, expect, expectAccessible, link, shoot, signIn, test } from './support.ts'

test.describe.configure({ mode: 'serial' })

test('LD-05: a pasted log shows whose token it holds, and one act revokes it', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  // As it is when nobody has linked anything yet.
  await link(page, 'Acme Data Science', 'owner@acme.test')
  const cards = z.object({ items: z.array(z.object({ id: z.string() })) })
  const [project] = cards.parse(await api(page, 'GET', '/api/v1/tenants/acme/projects')).items
  const made = await api(page, 'POST', `/api/v1/tenants/acme/projects/${project?.id}/tokens`, {
    strategy: 'proxy',
    scopes: { access: 'paths', paths: ['GET /**'] },
    expires_in: 600,
    purpose: 'a leaked export',
  })
  const { value } = z.object({ value: z.string() }).parse(made)

  // Names come with what is found.
  const desk = await page.request.get('/t/acme/admin/leaks')
  expect(await desk.text()).not.toContain('member@acme.test')
  await page.goto('/t/acme/admin/leaks')
  await expectAccessible(page)
  await page.getByLabel('What was found').fill(`starting\nAuthorization: Bearer ${value}\n`)
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  const row = page.getByRole('row', { name: /a leaked export/ })
  await expect(row).toContainText('line 2')
  await expect(row).toContainText('owner@acme.test')
  await expect(row).toContainText('still works')
  // What was pasted is gone from the page.
  await expect(page.getByLabel('What was found')).toHaveValue('')
  await expect(page.getByText(value)).toHaveCount(0)
  await expectAccessible(page)
  await shoot(page, 'leaks-found')
  const revoke = page.getByRole('button', { name: 'Revoke it…' })
  await revoke.focus()
  await page.keyboard.press('Enter')
  const question = page.getByRole('alertdialog', { name: /Revoke “a leaked export”/ })
  await expectAccessible(page)
  await question.getByRole('button', { name: 'Revoke it' }).press('Enter')
  await expect(row).toContainText('blocked here')
  await expect(revoke).toHaveCount(0)
})

test('LD-07: the public door ends a token that nobody signed in for, and its owner is told', async ({
  page,
  request,
}) => {
  await signIn(page, 'owner@acme.test')
  const refused = await request.post('/oauth/report', { data: { tokens: [] } })
  expect(refused.status()).toBe(400)
  const taken = await request.post('/oauth/report', { data: { tokens: ['vk_px_nothing'] } })
  expect([taken.status(), await taken.text()]).toEqual([202, ''])
})

test('AC-03 AC-06: activity is searched in the address, an act is one line, and its details close on the first Escape', async ({
  page,
}) => {
  await signIn(page, 'owner@acme.test')
  await page.goto('/t/acme/activity')
  await expectAccessible(page)
  await shoot(page, 'activity')
  await page.getByRole('combobox', { name: 'action' }).selectOption('token')
  await page.waitForURL(/action=token/)
  const line = page.getByRole('row', { name: /Token revoked/ }).first()
  await line.getByRole('button', { name: /^Details of/ }).press('Enter')
  const drawer = page.getByRole('dialog', { name: 'Token revoked' })
  await expect(drawer.getByRole('heading', { name: /What else happened/ })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'activity-drawer')
  await page.keyboard.press('Escape')
  await expect(drawer).toHaveCount(0)
  await expect(line.getByRole('button', { name: /^Details of/ })).toBeFocused()
  // From one event to what is around it.
  await page.keyboard.press('Enter')
  await drawer.getByRole('link', { name: /^token tok_/ }).click()
  await page.waitForURL(/about=tok_/)
  await expect(drawer).toHaveCount(0)
  await expect(page.getByRole('row', { name: /Token issued/ })).toHaveCount(1)
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Download' }).click()
  await page.getByRole('menuitem', { name: 'These events as CSV' }).click()
  expect((await download).suggestedFilename()).toBe('activity-acme.csv')
  await page.getByRole('searchbox').fill('owner@acme')
  await page.getByRole('button', { name: 'Filter' }).click()
  await page.waitForURL(/q=owner/)
  await page.getByRole('searchbox').fill('nobody is called this')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Nothing is called that')).toBeVisible()
  await page.setViewportSize({ width: 390, height: 844 })
  for (const path of ['/t/acme/activity', '/t/acme/admin/leaks']) {
    await page.goto(path)
    await expectAccessible(page)
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    expect(overflow).toBeLessThanOrEqual(0)
  }
})
