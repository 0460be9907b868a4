/** Parameters that may be set beside our own: none of those on which the protocol's safety stands (L-13). */
export const authorizationNames = [
  'access_type',
  'acr_values',
  'approval_prompt',
  'audience',
  'connection',
  'display',
  'domain_hint',
  'force_verify',
  'hd',
  'idp',
  'include_granted_scopes',
  'kc_idp_hint',
  'max_age',
  'optional_scope',
  'organization',
  'owner',
  'prompt',
  'resource',
  'show_dialog',
  'tenant',
  'token_access_type',
  'ui_locales',
] as const

/** The same of requests for tokens. */
export const tokenNames = ['audience', 'resource'] as const
