import type { Jar, TestApp } from './app.ts'
import type { Email } from './broker.ts'

/** An attempt whose person has signed in at the stack once, and is to choose the projects. */
export async function toChoose(
  app: TestApp,
  { jar, admin, account = 'owner@acme.test' }: { jar: Jar; admin: Jar; account?: Email },
): Promise<string> {
  const provider = await app.demoProvider(admin, 'acme')
  await app.call(admin, 'PATCH', `/tenants/acme/providers/${provider}`, { settings: { programmatic: true } })
  return (await app.link(jar, 'acme', { account, flow: 'session' })).attempt
}
