import type { Paths } from '@/lib/client/index.ts'
import { client, type Sent, send } from './client.ts'
import { plural } from './words.ts'

/** What losing rights reaches, in counts. */
export type Ending =
  Paths['/api/v1/tenants/{tenant}/members/{user}/ending']['get']['responses'][200]['content']['application/json']

export const previewEnding = (tenant: string, user: string): Promise<Sent<Ending>> =>
  send(client.GET('/api/v1/tenants/{tenant}/members/{user}/ending', { params: { path: { tenant, user } } }))

/** What ends, and what goes on but needs somebody. `act`: what is asked. `own`: of whoever is asked. */
export function endingCounts(ending: Ending, act: 'suspend' | 'remove' | 'leave' | 'everything', own = false) {
  const lately = ending.used_lately > 0 ? `, ${ending.used_lately.toLocaleString('en')} used in the last hour` : ''
  return [
    {
      label: 'Sessions',
      value:
        own && act === 'everything'
          ? 'all but this one refused by this tenant'
          : `${plural(ending.sessions, 'session')} refused by this tenant`,
    },
    {
      label: 'Connections',
      value: `${plural(ending.connections, 'connection')} ${act === 'suspend' ? 'paused until they are reinstated' : 'revoked'}`,
    },
    { label: 'Tokens', value: `${plural(ending.tokens, 'live token')} revoked${lately}` },
    { label: 'Devices and apps', value: `${plural(ending.grants, 'device or app')} signed out` },
    { label: 'Invitations', value: `${plural(ending.invitations, 'open invitation')} withdrawn` },
    ...(ending.webhooks > 0 ? [{ label: 'Webhooks', value: webhookWords(ending) }] : []),
  ]
}

/** Where they tell, as far as the viewer may know it. */
function webhookWords({ webhooks, webhook_hosts }: Ending): string {
  const [first, ...others] = [...new Set(webhook_hosts)]
  const where = first ? ` (${[first, ...others].join(', ')})` : ''
  return `${plural(webhooks, 'webhook')}${where} ${webhooks === 1 ? 'goes' : 'go'} on: another admin must take ${webhooks === 1 ? 'it' : 'them'} over`
}

/** How many things end. From more than twenty on, a phrase has to be typed and a reason given. */
export const endingSize = ({ sessions, connections, tokens, grants, invitations }: Ending): number =>
  sessions + connections + tokens + grants + invitations
