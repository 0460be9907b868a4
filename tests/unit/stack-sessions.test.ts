import { expect, it } from 'vitest'
import { stackSessions } from '../../lib/providers/keboola/session.ts'
import { Secret } from '../../lib/security/secrets.ts'

it('K-27: what leads elsewhere is the name of no session, and nothing is sent', async () => {
  const sent: unknown[] = []
  const { end } = stackSessions(
    { issuer: 'https://stack.example', clientId: 'any', settings: {} } as unknown as Parameters<
      typeof stackSessions
    >[0],
    {
      fetch: async (url: unknown) => {
        sent.push(url)
        return new Response(null, { status: 204 })
      },
      now: () => new Date(0),
      sleep: async () => {},
    } as unknown as Parameters<typeof stackSessions>[1],
  )
  const accessToken = new Secret('kbc_at_any')
  for (const id of ['', '.', '..', '../../v2/storage/tokens/1', 'a/b', 'a?b', 'a#b', '%2e%2e', 'a b', 'a'.repeat(201)])
    await expect(end({ accessToken, id }), id).rejects.toMatchObject({ failure: 'rejected' })
  expect(sent).toEqual([])
  await end({ accessToken, id: 'ses-1.2:3' })
  expect(sent).toEqual(['https://stack.example/v1/auth/sessions/ses-1.2:3'])
})
