import type { Locator } from 'playwright/test'
import {
  api,
  expect,
  expectAccessible,
  issue,
  link,
  type Page,
  playRole,
  shoot,
  signIn,
  takeToken,
  test,
  verify,
} from './support.ts'

/** As who has no mouse gets there. */
async function tabTo(page: Page, target: Locator): Promise<void> {
  for (let step = 0; step < 120; step += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press('Tab')
  }
  throw new Error(`the keyboard does not reach ${target}`)
}
const enter = async (page: Page, target: Locator) => {
  await tabTo(page, target)
  await page.keyboard.press('Enter')
}

test('A-02: a stolen laptop: found by name, everything revoked with the keyboard alone; its pages and its token stop', async ({
  page,
  browser,
}) => {
  test.slow()
  const laptop = await browser.newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
  const stolen = await laptop.newPage()
  await signIn(stolen, 'member@acme.test')
  const { items: linked } = (await api(stolen, 'GET', '/api/v1/tenants/acme/projects')) as {
    items: { id: string; name: string }[]
  }
  // Their role in the other one makes no tokens.
  const sales = linked.find(({ name }) => name === 'Acme Sales Reporting')
  if (sales) await stolen.goto(`/t/acme/projects/${sales.id}`)
  else await link(stolen, 'Acme Sales Reporting', 'member@acme.test')
  // As a guest upstream they could give a token no right.
  await playRole(stolen, 'acme', 'admin')
  await stolen.getByRole('link', { name: 'Issue token' }).first().click()
  await issue(stolen, { purpose: 'on the laptop', read: ['in.c-crm'] })
  await playRole(stolen, 'acme', null)
  const token = await takeToken(stolen)
  expect(await verify(token)).toBe(200)

  await signIn(page, 'owner@acme.test')
  await enter(page, page.getByRole('link', { name: 'Members', exact: true }))
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Members')
  await enter(page, page.getByRole('rowheader').getByRole('link', { name: 'member@acme.test' }))
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('member@acme.test')
  await expect(page.getByText('on the laptop')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'person')
  await page.goto(`${page.url()}?show=table`)
  await expect(page.getByRole('table', { name: 'Live tokens' })).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'person-table')

  await enter(page, page.getByRole('button', { name: 'Revoke everything…' }))
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('live token')
  await expect(question.getByRole('checkbox', { name: 'and block sign-in here' })).toBeChecked()
  await expectAccessible(page)
  await shoot(page, 'question')
  await tabTo(page, question.getByLabel('Reason'))
  await page.keyboard.type('laptop stolen')
  const phrase = question.getByLabel('Type acme to confirm')
  if (await phrase.isVisible()) {
    await tabTo(page, phrase)
    await page.keyboard.type('acme')
  }
  await enter(page, question.getByRole('button', { name: 'Revoke everything' }))
  await page.waitForURL(/\/admin\/revocation\/act_/)
  await expect(page.getByRole('status').filter({ hasText: 'Over: nothing is left to do.' })).toBeVisible()
  await expect(page.getByText('laptop stolen')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'act')
  await page.reload()
  await expect(page.getByRole('progressbar', { name: 'Blocked here' })).toBeVisible()
  const download = page.waitForEvent('download')
  await enter(page, page.getByRole('button', { name: 'Download receipt' }))
  expect((await download).suggestedFilename()).toMatch(/^receipt-act_\w+\.jws$/)

  expect(await verify(token)).toBe(401)
  await stolen.goto('/t/acme/projects')
  await expect(stolen).toHaveURL(/\/suspended\/acme/)
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByRole('link', { name: 'What they hold now' }).click()
  await expect(page.getByText('holds nothing here')).toBeVisible()
  await expect(page.getByText('suspended', { exact: true })).toBeVisible()
  await shoot(page, 'person-afterwards')
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  await page.getByRole('button', { name: 'Actions for member@acme.test' }).click()
  await page.getByRole('menuitem', { name: 'Reinstate' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Reinstate' }).click()
  await expect(page.getByText('active', { exact: true })).toBeVisible()

  // Its act leads to the person, from the record of the event.
  await page.setViewportSize({ width: 1280, height: 800 })
  await page.goto('/t/acme/activity?action=member.revoked')
  await page
    .getByRole('button', { name: /^Details of / })
    .first()
    .click()
  const drawer = page.getByRole('dialog')
  await expect(drawer.getByText('What each holds now')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'event')
  await drawer.getByRole('link', { name: 'member@acme.test' }).last().click()
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('member@acme.test')
  await laptop.close()
})

test('A-01: the revocation page says how fast what is revoked is refused', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@acme.test')
  // The first reading of a server comes some seconds after it has started.
  await expect(async () => {
    await page.goto('/t/acme/admin/revocation')
    await expect(page.getByText(/^Refused after revoking: [\d.,]+ ms \(p50\)/)).toBeVisible({ timeout: 1_000 })
  }).toPass({ timeout: 60_000 })
  await expectAccessible(page)
  await shoot(page, 'refusal')
})

test('A-04: “I lost my laptop”: somebody ends everything of their own, and stays signed in where they are', async ({
  page,
  browser,
}) => {
  const laptop = await browser.newContext()
  const lost = await laptop.newPage()
  await signIn(lost, 'member@acme.test')
  await signIn(page, 'member@acme.test')
  await enter(page, page.getByRole('button', { name: /^Account/ }))
  await enter(page, page.getByRole('menuitem', { name: 'Everything of yours' }))
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Everything of yours')
  await expect(page.getByText('(this one)')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'own')
  await enter(page, page.getByRole('button', { name: 'Revoke everything…' }))
  const question = page.getByRole('alertdialog')
  await expect(question).toContainText('all but this one')
  await enter(page, question.getByRole('button', { name: 'Revoke everything' }))
  await page.waitForURL(/\/admin\/revocation\/act_/)
  await expect(page.getByRole('status').filter({ hasText: 'Over' })).toBeVisible()
  await lost.goto('/t/acme/projects')
  await expect(lost).toHaveURL(/\/signin/)
  await laptop.close()
})
