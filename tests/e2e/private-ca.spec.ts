import { selfSigned } from '../support/certificate.ts'
import { startOpponent } from '../support/opponent.ts'
import { expect, expectAccessible, signIn, test } from './support.ts'

// The browser of a company trusts its CA; this one does not ask.
test.use({ ignoreHTTPSErrors: true })

test('a server behind a private CA: found, checked, linked, found out about, a limited token used and revoked', async ({
  page,
}) => {
  test.slow()
  const tls = selfSigned('localhost')
  const server = await startOpponent({
    tls,
    configuration: {
      features: {
        revocation: {
          enabled: true,
          // One access token ends alone (RFC 7009 2.1 leaves that open).
          allowedPolicy: async (_ctx, { clientId }, token) => {
            if (token.clientId !== clientId || token.kind !== 'AccessToken') return token.clientId === clientId
            await token.destroy()
            return false
          },
        },
      },
    },
  })
  await signIn(page, 'owner@globex.test')
  await page.goto('/t/globex/admin/providers/new')
  await page.getByRole('button', { name: 'Any OpenID Connect' }).click()
  await page.getByLabel('Issuer').fill(server.origin)
  await page.getByLabel('Address').fill(`${server.origin}/items`)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(page.getByLabel('Issuer')).toHaveAccessibleDescription(/No metadata was found there/)
  await page.getByText('Reached from inside your network').click()
  await page.getByLabel('CA certificates').fill(tls.cert)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(page.getByText('What was found')).toBeVisible()
  await expect(page.getByText('CN=localhost')).toBeVisible()
  await page.getByLabel('Name', { exact: true }).last().fill('Items inside')
  await page.getByLabel('Client id').fill('a-client')
  await page.getByLabel('Client secret').fill('a-secret-of-the-client')
  await page.getByRole('textbox', { name: 'Scopes' }).fill('openid\nitems:read\nitems:write')
  const redirectUri = await page.locator('code').filter({ hasText: '/oauth/callback/localhost-' }).first().textContent()
  await page.getByRole('button', { name: 'Add provider' }).click()
  await page.waitForURL(/\/admin\/providers$/)

  // Registered there only now: before, a check says that the client is not known.
  await page.getByRole('link', { name: 'Check and client of Items inside' }).click()
  await page.getByRole('button', { name: 'Run check' }).first().click()
  await expect(page.getByRole('row').filter({ hasText: 'Client' }).first()).toContainText(/failed/i)
  server.register({
    client_id: 'a-client',
    client_secret: 'a-secret-of-the-client',
    redirect_uris: [redirectUri ?? ''],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  })
  await page.getByRole('button', { name: 'Run check' }).first().click()
  await expect(page.getByRole('row').filter({ hasText: 'Client' }).first()).not.toContainText(/failed/i)
  await expectAccessible(page)
  await page.getByRole('button', { name: 'Link project' }).click()
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  const project = page.url().replace('?linked=1', '')

  await page.goto('/t/globex/admin/providers')
  await page.getByRole('link', { name: 'Check and client of Items inside' }).click()
  await expect(page.getByText('It is not known whether a refresh makes tokens with fewer scopes')).toBeVisible()
  await page.getByRole('button', { name: 'Find out' }).click()
  await page.getByRole('alertdialog').getByRole('button', { name: 'Find out' }).click()
  await expect(page.getByText('A refresh with fewer scopes makes a smaller token')).toBeVisible()
  await expectAccessible(page)

  await page.goto(`${project}/issue`)
  await page.getByLabel('Purpose').fill('read items')
  await page.getByRole('checkbox', { name: /items:read/ }).check()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const [, value = ''] =
    /^export API_TOKEN='(.*)'$/m.exec(await page.evaluate(() => navigator.clipboard.readText())) ?? []
  expect((await server.provider.AccessToken.find(value))?.scope).toBe('items:read')
  await page.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.getByRole('button', { name: 'Revoke…' }).click()
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /^Revoke/ })
    .click()
  await expect(page.getByText('revoked upstream', { exact: true })).toBeVisible()
  expect(await server.provider.AccessToken.find(value)).toBeUndefined()
  await server.close()
})
