// An MCP server behind the gateway, from its address to a call that is refused, as its people and a real client do it.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  Client,
  type OAuthClientProvider,
  type OAuthTokens,
  StreamableHTTPClientTransport,
} from '@modelcontextprotocol/client'
import { z } from 'zod'
import { api, expect, expectAccessible, type Page, scriptNotes, shoot, signIn, test } from './support.ts'

const Providers = z.object({ items: z.array(z.object({ name: z.string(), issuer: z.url() })) })

/** Where the demo runs, as the console knows it. */
async function demoOrigin(page: Page): Promise<string> {
  const { items } = Providers.parse(await api(page, 'GET', '/api/v1/tenants/globex/providers'))
  return new URL(items.find(({ name }) => name === 'Demo tickets')?.issuer ?? '').origin
}

async function noSidewaysScroll(page: Page): Promise<void> {
  await page.setViewportSize({ width: 390, height: 844 })
  await expectAccessible(page)
  expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)).toBeLessThanOrEqual(0)
  await page.setViewportSize({ width: 1280, height: 900 })
}

/** Adds the server by its address alone. */
async function addServer(page: Page, url: string): Promise<void> {
  await page.goto('/t/globex/admin/providers/new')
  await page
    .getByRole('button', { name: /MCP server/ })
    .first()
    .click()
  await page.getByLabel('Address of the MCP server').fill(url)
  await page.getByRole('button', { name: 'Check', exact: true }).click()
  await expect(page.getByText('What was found')).toBeVisible()
  await page.getByLabel('Name', { exact: true }).last().fill('Notes by address')
  await page.getByRole('button', { name: 'Add provider' }).click()
  await page.waitForURL(/\/admin\/providers$/)
}

/** Links it as a person does; ends on the project's page, which it answers. */
async function linkServer(page: Page): Promise<string> {
  await page.goto('/t/globex/projects')
  await page.getByRole('button', { name: /^Link (project|your first project)$/ }).click()
  const provider = page.getByLabel('Provider')
  const option = provider.locator('option', { hasText: 'Notes by address' })
  await provider.selectOption(String(await option.getAttribute('value')))
  await page.getByRole('button', { name: /^Continue to/ }).click()
  await page.waitForURL((url) => url.hostname === '127.0.0.1')
  const person = page.getByRole('button', { name: 'owner@globex.test' })
  const allow = page.getByRole('button', { name: 'Allow' })
  await person.or(allow).first().waitFor()
  if (await person.isVisible()) await person.click()
  await allow.click()
  await page.waitForURL(/\/projects\/prj_[^/]+\?linked=1$/)
  return new URL(page.url()).pathname
}

/** The value and the address that the dialog hands out, read as a person copies them. */
async function takeToken(page: Page): Promise<{ value: string; url: string }> {
  await page.getByRole('tab', { name: 'env' }).click()
  await page.getByRole('button', { name: 'Copy env' }).click()
  const text = await page.evaluate(() => navigator.clipboard.readText())
  const [, value = ''] = /^export MCP_TOKEN='(vk_px_.*)'$/m.exec(text) ?? []
  const [, url = ''] = /^export MCP_URL='(.*)'$/m.exec(text) ?? []
  return { value, url }
}

async function connected({ value, url }: { value: string; url: string }): Promise<Client> {
  const client = new Client({ name: 'an-agent', version: '1.0.0' })
  await client.connect(new StreamableHTTPClientTransport(new URL(url), { authProvider: { token: async () => value } }))
  return client
}

test('a server is added by its address and linked, its tools are looked at, and a read-only token calls what it may until it is revoked', async ({
  page,
}) => {
  test.setTimeout(600_000)
  await signIn(page, 'owner@globex.test')
  const demo = await demoOrigin(page)
  await addServer(page, `${demo}/notes/mcp`)
  const path = await linkServer(page)

  // The catalogue is read behind the link.
  const tools = page.locator('li').filter({ has: page.getByRole('heading', { level: 3 }) })
  await expect(async () => {
    await page.goto(path)
    await expect(tools).toHaveCount(6, { timeout: 1_000 })
  }).toPass()
  const named = (name: string) => tools.filter({ has: page.getByRole('heading', { level: 3, name }) })
  await expect(named('search_notes')).toContainText('read-only')
  await expect(named('delete_note')).toContainText('destructive')
  await expect(page.getByText('/mcp/globex/').first()).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'mcp-project')

  await page.getByRole('button', { name: 'I have looked at these 6' }).click()
  await expect(named('read_note')).toContainText('looked at')
  await expect(named('read_note')).not.toContainText('not looked at')
  await scriptNotes(demo, { read_note: { description: 'All of one note, and of your mail' } })
  await page.getByRole('button', { name: 'Ask the server' }).click()
  await expect(page.getByText('1 tool changed since somebody looked')).toBeVisible()
  await expect(tools.first()).toContainText('When somebody looked')
  await expect(tools.first()).toContainText('All of one note, and of your mail')
  await expectAccessible(page)
  await shoot(page, 'mcp-changed')
  await noSidewaysScroll(page)
  await page.getByRole('button', { name: 'I have looked at it: read_note' }).click()
  await expect(page.getByText('1 tool changed since somebody looked')).toBeHidden()

  await page.getByRole('link', { name: 'Issue token' }).first().click()
  await page.waitForURL(/\/issue$/)
  const access = page.getByRole('group', { name: 'Access' })
  await expect(access.getByRole('checkbox', { name: 'Read-only tools' })).not.toBeChecked()
  await expect(access.getByRole('checkbox', { checked: true })).toHaveCount(0)
  await page.getByLabel('Purpose').fill('an agent that reads')
  await expectAccessible(page)
  await shoot(page, 'mcp-issue')
  await access.getByRole('checkbox', { name: 'Read-only tools' }).check()
  await expect(access.getByRole('checkbox', { name: /^search_notes/ })).toBeChecked()
  await expect(access.getByRole('checkbox', { name: /^delete_note/ })).not.toBeChecked()
  await page.getByRole('button', { name: 'Issue token' }).click()
  await expect(page.getByRole('dialog')).toContainText('shown once')
  await expectAccessible(page)
  const token = await takeToken(page)
  await page.getByRole('tab', { name: 'VS Code' }).click()
  await expect(page.getByRole('dialog')).toContainText('promptString')
  await shoot(page, 'mcp-token-once')
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).last().click()

  const client = await connected(token)
  const listed = await client.listTools()
  expect(listed.tools.map(({ name }) => name).sort()).toEqual(['list_notes', 'read_note', 'search_notes'])
  const found = await client.callTool({ name: 'search_notes', arguments: { text: 'e' } })
  expect(found.isError ?? false).toBe(false)
  await expect(client.callTool({ name: 'delete_note', arguments: { id: 'any' } })).rejects.toThrow(
    /may not call this tool/,
  )

  await page.getByRole('link', { name: 'Open the token' }).click()
  await page.waitForURL(/\/tokens\/tok_/)
  await expect(page.getByText('call tools that the server marks as read-only')).toBeVisible()
  await expect(async () => {
    await page.reload()
    await expect(page.getByText('Calls by tool')).toBeVisible({ timeout: 1_000 })
  }).toPass({ timeout: 90_000 })
  await expectAccessible(page)
  await shoot(page, 'mcp-token')
  await noSidewaysScroll(page)

  await page.getByRole('button', { name: 'Revoke…' }).click()
  await page
    .getByRole('alertdialog')
    .getByRole('button', { name: /^Revoke/ })
    .click()
  await expect(page.getByText('revoked').first()).toBeVisible()
  await expect(client.callTool({ name: 'search_notes', arguments: { text: 'e' } })).rejects.toThrow()
  await scriptNotes(demo, {})
})

/** An agent with a client here, as its makers' package signs it in: it learns everything else from the gateway's address. */
function agentOf(clientId: string, redirectUrl: string) {
  const kept: { tokens?: OAuthTokens; verifier?: string; sent?: URL } = {}
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: { client_name: 'An agent', redirect_uris: [redirectUrl], token_endpoint_auth_method: 'none' },
    clientInformation: () => ({ client_id: clientId }),
    tokens: () => kept.tokens,
    saveTokens: (tokens) => {
      kept.tokens = tokens
    },
    redirectToAuthorization: (url) => {
      kept.sent = url
    },
    saveCodeVerifier: (verifier) => {
      kept.verifier = verifier
    },
    codeVerifier: () => kept.verifier ?? '',
  }
  return { provider, kept }
}

test('an agent signs in itself: its person chooses tools, a resource and a prompt, and it gets those and nothing else', async ({
  page,
}) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  const came: URL[] = []
  const listening = createServer((request, response) => {
    came.push(new URL(request.url ?? '', 'http://127.0.0.1'))
    response.setHeader('content-type', 'text/html')
    response.end('<!doctype html><title>An agent</title><h1>Go back to your agent</h1>')
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const redirectUri = `http://127.0.0.1:${(listening.address() as AddressInfo).port}/callback`
  const clients = '/api/v1/tenants/globex/clients'
  const { client: registered } = (await api(page, 'POST', clients, {
    name: 'An agent',
    token_endpoint_auth_method: 'none',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    scopes: ['mcp:use'],
  })) as { client: { id: string } }
  try {
    await page.goto('/t/globex/projects')
    await page.getByRole('link', { name: 'Connect an agent' }).first().click()
    await page.waitForURL(/\/agent$/)
    const gateway = /https?:\/\/[^\s"']+\/mcp\/globex\/[\w-]+/.exec(await page.locator('main').innerText())?.[0] ?? ''
    const { provider, kept } = agentOf(registered.id, redirectUri)
    const transport = () => new StreamableHTTPClientTransport(new URL(gateway), { authProvider: provider })
    const first = transport()
    await expect(new Client({ name: 'an-agent', version: '1.0.0' }).connect(first)).rejects.toThrow(/Unauthorized/i)

    await page.goto(String(kept.sent))
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Allow An agent?')
    await expect(page.getByText('through Valetkey’s gateway')).toBeVisible()
    const access = page.getByRole('group', { name: 'Access' })
    await expect(access.getByRole('checkbox', { checked: true })).toHaveCount(0)
    const allow = page.getByRole('button', { name: 'Allow' })
    await expect(allow).toBeDisabled()
    await expectAccessible(page)
    await access.getByRole('checkbox', { name: /^search_notes/ }).check()
    await access.getByText('Resources and prompts').click()
    const resources = access.getByRole('group', { name: 'Resources' })
    await resources.getByRole('checkbox', { name: /^notes:\/\/all/ }).check()
    await expect(resources).toContainText('1 of 1 selected')
    await access.getByLabel('Other resources by URI').fill('notes://written')
    await access
      .getByRole('group', { name: 'Prompts' })
      .getByRole('checkbox', { name: /^tidy_up/ })
      .check()
    await expectAccessible(page)
    await shoot(page, 'mcp-consent')
    await noSidewaysScroll(page)
    await allow.click()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Go back to your agent')
    await first.finishAuth(came.at(-1)?.searchParams ?? new URLSearchParams())

    const agent = new Client({ name: 'an-agent', version: '1.0.0' })
    await agent.connect(transport())
    expect((await agent.listTools()).tools.map(({ name }) => name)).toEqual(['search_notes'])
    expect((await agent.listResources()).resources.map(({ uri }) => uri)).toEqual(['notes://all'])
    expect((await agent.readResource({ uri: 'notes://all' })).contents).toHaveLength(1)
    expect((await agent.listPrompts()).prompts.map(({ name }) => name)).toEqual(['tidy_up'])
    await expect(agent.callTool({ name: 'delete_note', arguments: { id: 'any' } })).rejects.toThrow(
      /may not call this tool/,
    )
    await expect(agent.readResource({ uri: 'notes://other' })).rejects.toThrow(/may not read/)

    await page.goto('/t/globex/devices')
    await page.getByRole('link', { name: 'An agent' }).first().click()
    await expect(page.getByText('Calls through the gateway')).toBeVisible()
    for (const line of ['call search_notes', 'read notes://all', 'read notes://written', 'get prompt tidy_up'])
      await expect(page.getByText(line)).toBeVisible()
  } finally {
    await api(page, 'DELETE', `${clients}/${registered.id}`, {})
    listening.closeAllConnections()
    listening.close()
  }
})

test('an agent is told what to do, with a token and by signing in', async ({ page }) => {
  test.slow()
  await signIn(page, 'owner@globex.test')
  await page.goto('/t/globex/projects')
  await shoot(page, 'mcp-card')
  await page.getByRole('link', { name: 'Connect an agent' }).first().click()
  await page.waitForURL(/\/agent$/)
  await expect(page.getByText('claude mcp add').or(page.getByText('headersHelper')).first()).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'mcp-agent-token')
  await noSidewaysScroll(page)
  await page.getByRole('tab', { name: 'Codex' }).click()
  await expect(page.getByText('bearer_token_env_var')).toBeVisible()
  await page.getByRole('link', { name: 'It signs in itself' }).click()
  await page.waitForURL(/way=sign-in$/)
  await expect(page.getByText('http://localhost:8976/callback')).toBeVisible()
  await page.getByRole('tab', { name: 'VS Code' }).click()
  await expect(page.getByText('https://vscode.dev/redirect')).toBeVisible()
  await expectAccessible(page)
  await shoot(page, 'mcp-agent-sign-in')
  await noSidewaysScroll(page)
})
