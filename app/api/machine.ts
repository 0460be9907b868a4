import type { MachineRoute } from '@/lib/http/listener.ts'
import type { Method } from '@/lib/http/operation.ts'
import { operations } from '@/lib/http/wire.ts'
import { GET as metadata } from '../.well-known/oauth-authorization-server/route.ts'
import { GET as gatewayMetadata } from '../.well-known/oauth-protected-resource/mcp/[tenant]/[project]/route.ts'
import { GET as resourceMetadata } from '../.well-known/oauth-protected-resource/route.ts'
import { GET as metrics } from '../metrics/route.ts'
import { POST as logout } from '../oauth/backchannel-logout/route.ts'
import { POST as device } from '../oauth/device_authorization/route.ts'
import { POST as introspect } from '../oauth/introspect/route.ts'
import { POST as par } from '../oauth/par/route.ts'
import { POST as revoke } from '../oauth/revoke/route.ts'
import { POST as token } from '../oauth/token/route.ts'
import { GET as health } from './health/route.ts'
import { GET as ready } from './ready/route.ts'
import { GET as me } from './v1/me/route.ts'
import { POST as issue } from './v1/tenants/[tenant]/projects/[project]/tokens/route.ts'

/** Paths that programs call often: server.ts answers them before Next, by the very exports of their route files. */
export const machineRoutes: readonly MachineRoute[] = [
  { method: 'GET', path: '/api/health', handle: health },
  { method: 'GET', path: '/api/ready', handle: ready },
  { method: 'GET', path: '/metrics', handle: metrics },
  { method: 'GET', path: '/api/v1/me', handle: me },
  { method: 'POST', path: '/api/v1/tenants/:tenant/projects/:project/tokens', handle: issue },
  { method: 'POST', path: '/oauth/backchannel-logout', handle: logout },
  { method: 'GET', path: '/.well-known/oauth-authorization-server', handle: metadata },
  { method: 'GET', path: '/.well-known/oauth-protected-resource', handle: resourceMetadata },
  { method: 'GET', path: '/.well-known/oauth-protected-resource/mcp/:tenant/:project', handle: gatewayMetadata },
  { method: 'POST', path: '/oauth/device_authorization', handle: device },
  { method: 'POST', path: '/oauth/introspect', handle: introspect },
  { method: 'POST', path: '/oauth/par', handle: par },
  { method: 'POST', path: '/oauth/revoke', handle: revoke },
  { method: 'POST', path: '/oauth/token', handle: token },
]

const others = {
  '/.well-known/oauth-authorization-server': ['GET'],
  '/.well-known/oauth-protected-resource': ['GET'],
  '/.well-known/oauth-protected-resource/mcp/{tenant}/{project}': ['GET'],
  '/api/auth/{action}': ['GET', 'POST'],
  '/api/auth/{action}/{provider}': ['GET', 'POST'],
  '/metrics': ['GET'],
  '/oauth/authorize': ['GET'],
  '/oauth/backchannel-logout': ['POST'],
  '/oauth/callback/{key}': ['GET'],
  '/oauth/device_authorization': ['POST'],
  '/oauth/introspect': ['POST'],
  '/oauth/par': ['POST'],
  '/oauth/report': ['POST'],
  '/oauth/revoke': ['POST'],
  '/oauth/token': ['POST'],
} as const satisfies Record<string, readonly Method[]>

/** Every path that is not a page, with its methods. */
export const declared: readonly { method: Method; path: string }[] = [
  ...operations,
  ...Object.entries(others).flatMap(([path, methods]) => methods.map((method) => ({ method, path }))),
]
