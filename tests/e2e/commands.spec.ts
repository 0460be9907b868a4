import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { buildCommand } from '../../cli/build.mjs'
import { api, expect, issue, link, type Page, playRole, signIn, test } from './support.ts'
import { openTerminal } from './terminal.ts'

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
  // As a guest upstream they could give a token no right.
  await playRole(page, 'acme', 'admin')
  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  await issue(page, { purpose: "the boss's export", read: ['in.c-crm'] })
  await playRole(page, 'acme', null)
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

/** Where the member's project is, as another program would know it. */
async function adoptable(page: Page): Promise<{ stack: { url: string; project: string } }> {
  await page.goto('/t/acme/projects')
  type Projects = { items: { alias: string; external_id: string; provider: { host: string } }[] }
  const { items } = (await api(page, 'GET', '/api/v1/tenants/acme/projects')) as Projects
  const found = items.find(({ alias }) => alias === 'acme-sales-reporting')
  if (!found) throw new Error('the project is not linked')
  return { stack: { url: `http://${found.provider.host}`, project: found.external_id } }
}

test('a project is connected and a token’s rights are chosen without leaving the terminal for more than a consent', async ({
  page,
  baseURL,
}) => {
  test.skip(spawnSync('tmux', ['-V']).error !== undefined, 'there is no tmux')
  test.slow()
  await buildCommand()
  const terminal = await openTerminal()
  const keep = async (name: string) => {
    if (screenshots) await writeFile(`${screenshots}/${name}.txt`, await terminal.screen())
  }
  try {
    await signIn(page, 'member@acme.test')
    await playRole(page, 'acme', 'admin')
    const login = async () => {
      await terminal.type(`valetkey login ${baseURL}`)
      await page.goto(await terminal.sentTo())
      await page.getByRole('checkbox', { name: /^Acme Sales Reporting/ }).check()
      for (const legend of ['Tokens of Demo stack', 'Tokens for requests through Valetkey'])
        await page
          .getByRole('group', { name: legend })
          .getByRole('radio', { name: /policy/ })
          .check()
      await page.getByRole('button', { name: 'Allow' }).click()
      await terminal.shows(/Signed in to/)
    }
    await link(page, 'Acme Sales Reporting', 'member@acme.test')
    await login()

    await terminal.type('valetkey connect; echo "exit $?"')
    await page.goto(await terminal.sentTo())
    await link(page, 'Acme Finance Archive', 'member@acme.test')
    await terminal.shows(/is connected, as .*[\s\S]*exit 0/)
    await terminal.shows(/valetkey token acme-finance-archive/)
    // What this terminal may issue for was chosen before the project was there.
    await terminal.shows(/sign in again/)
    await terminal.type('valetkey token acme-finance-archive --read-only --purpose x; echo "exit $?"')
    await terminal.shows(/It may issue nothing[\s\S]*allow more in the browser: valetkey login[\s\S]*exit 4/)
    await login()

    await terminal.type(`valetkey token acme-sales-reporting; echo "exit $?"`)
    await terminal.shows(/How is it made\?/)
    await keep('pick-way')
    await terminal.press('Enter')
    await terminal.shows(/components: Components whose configurations/)
    await terminal.press('Enter')
    await terminal.shows(/buckets, write/)
    await terminal.press('Enter')
    await terminal.shows(/buckets, read/)
    await terminal.press('Space')
    await keep('pick-buckets')
    await terminal.press('Enter')
    await terminal.shows(/Beside that/)
    await terminal.press('Enter')
    await terminal.shows(/What is it for\?/)
    await terminal.press('d', 'e', 'm', 'o', 'Enter')
    await terminal.shows(/How long does it live\?/)
    await keep('pick-life')
    await terminal.press('Enter')
    await terminal.shows(/fingerprint \w+[\s\S]*exit 0/)
    await terminal.type('valetkey tokens')
    await terminal.shows(/demo +live +in 1[45] min/)

    await terminal.type(`valetkey token acme-sales-reporting; echo "exit $?"`)
    await terminal.shows(/How is it made\?/)
    await terminal.press('C-c')
    await terminal.shows(/exit 130/)

    const rights = '--bucket in.c-crm=read'
    await terminal.type(
      `valetkey exec acme-sales-reporting ${rights} -- sh -c 'echo "has \${#KBC_TOKEN}"; exit 7'; echo "exit $?"`,
    )
    await terminal.shows(/has [1-9]\d+[\s\S]*exit 7/)
    await terminal.type(`valetkey exec acme-sales-reporting ${rights} -- cat; echo "exit $?"`)
    await expect.poll(() => terminal.children()).toContain('cat')
    await terminal.press('C-c')
    await terminal.shows(/exit 130/)
    await terminal.type('valetkey tokens')
    await terminal.shows(/demo +live/)
    // Those of the programs have ended with them.
    expect(await terminal.screen()).not.toMatch(/exec: /)

    await terminal.type(
      'valetkey proxy acme-sales-reporting --read-only -- sh -c \'curl -s -o /dev/null -w "%{http_code}" "$API_URL/v2/storage/buckets"; echo " of GET"\'',
    )
    await terminal.shows(/200 of GET/)

    await terminal.type('valetkey revoke --all; echo "exit $?"')
    await terminal.shows(/blocked here[\s\S]*upstream[\s\S]*exit \d+/i)
    await keep('revoked')
    await terminal.type('valetkey status; echo "exit $?"')
    await terminal.shows(/acme-sales-reporting +\S.* live[\s\S]*exit 0/)
    await keep('status')
    await terminal.type('valetkey doctor; echo "exit $?"')
    await terminal.shows(/exit 0/)
    await keep('doctor')

    await terminal.type('valetkey whoami')
    await terminal.shows(/name +Acme Member \(member@acme\.test\)[\s\S]*role +member/)
    await terminal.type('valetkey projects')
    await terminal.shows(/acme-sales-reporting/)
    await terminal.type(`valetkey link --server ${baseURL}/t/acme && valetkey config list && valetkey link --remove`)
    await terminal.shows(/from --server[\s\S]*default[\s\S]*vault[\s\S]*Unlinked\./)

    await terminal.type('source <(valetkey completion bash)')
    await terminal.press('valetkey logo', 'Tab')
    await terminal.shows(/valetkey logout/)
    await terminal.press('C-u')

    await terminal.type(
      'mkdir k; printf "[project %s]" x > k/config.json; valetkey adopt k/config.json; echo "exit $?"',
    )
    await terminal.shows(/k\/config\.json: [\s\S]*exit [1-9]/)
    const { stack } = await adoptable(page)
    const projects = { sales: { stack_url: stack.url, token: '1-2-not-a-token', project_id: Number(stack.project) } }
    const file = join(terminal.home, 'k/config.json')
    await writeFile(file, JSON.stringify({ version: 1, projects }))
    await terminal.type('valetkey adopt --write k/config.json; echo "exit $?"')
    await terminal.shows(/Take the tokens out of the files\?/)
    await keep('adopt')
    await terminal.press('C-c')
    await terminal.shows(/Nothing was written\.[\s\S]*exit \d+/)
    expect(await readFile(file, 'utf8')).toContain('not-a-token')
    await terminal.type('valetkey adopt --write k/config.json; echo "exit $?"')
    await terminal.shows(/Take the tokens out of the files\?/)
    await terminal.press('y')
    await terminal.shows(/Taken out; still good until you delete them upstream[\s\S]*exit 0/)
    expect(await readFile(file, 'utf8')).not.toContain('not-a-token')

    await terminal.type('valetkey logout')
    await terminal.shows(/signed out/)
  } finally {
    await terminal.close()
    await playRole(page, 'acme', null)
  }
})
