import { expect, issue, link, type Page, signIn, test } from './support.ts'

/** Set for somebody to look at what people see. */
const screenshots = process.env.VALETKEY_E2E_SHOTS

async function shoot(page: Page, name: string) {
  if (!screenshots) return
  for (const [width, height] of [
    [360, 780],
    [1280, 900],
  ] as const)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.setViewportSize({ width, height })
      await page.emulateMedia({ colorScheme })
      await page.screenshot({ path: `${screenshots}/${name}-${width}-${colorScheme}.png` })
    }
  await page.setViewportSize({ width: 1280, height: 900 })
}

const copied = async (page: Page) => page.evaluate(() => navigator.clipboard.readText())

test('empty lists and the token that was made show the command for a terminal', async ({ page, context, baseURL }) => {
  await context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await signIn(page, 'member@acme.test')
  const commandOf = async () => {
    await page.getByRole('button', { name: 'Copy the command' }).click()
    await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
    return copied(page)
  }
  expect(await commandOf()).toBe('valetkey connect')
  await shoot(page, 'no-projects')
  await page.goto('/t/acme/devices')
  expect(await commandOf()).toBe(`valetkey login --server ${baseURL}`)
  await shoot(page, 'no-devices')

  await page.goto('/t/acme/projects')
  await link(page, 'Acme Sales Reporting', 'member@acme.test')
  await page.goto('/t/acme/tokens')
  expect(await commandOf()).toBe('valetkey token acme-sales-reporting')
  await shoot(page, 'no-tokens')

  await page.goto('/t/acme/projects')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  await issue(page, { purpose: "the boss's export", read: ['in.c-crm'] })
  const same = `acme-sales-reporting --bucket in.c-crm=read --expires 1h --purpose 'the boss'\\''s export'`
  for (const [name, command] of [
    ['valetkey token', `valetkey token ${same}`],
    ['valetkey exec', `valetkey exec ${same} -- CMD`],
  ] as const) {
    await page.getByRole('tab', { name }).click()
    await page.getByRole('button', { name: `Copy ${name}` }).click()
    await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible()
    expect(await copied(page)).toBe(command)
    await shoot(page, name.replace(' ', '-'))
  }
  // None of them holds the value, so closing still asks whether it was copied.
  await page.keyboard.press('Escape')
  await expect(page.getByRole('alertdialog', { name: 'You have not copied the token' })).toBeVisible()
})
