// Written by `npm run client:generate`. Do not edit.

/** Operations that are done once for a key. */
export const keyed: readonly string[] = [
  'POST /api/v1/tenants/{tenant}/projects/{project}/component-urls',
  'POST /api/v1/tenants/{tenant}/projects/{project}/tokens',
  'POST /api/v1/tenants/{tenant}/revocations',
  'POST /api/v1/tenants/{tenant}/revocations/{revocation}/retry',
]
