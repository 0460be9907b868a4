// Written by `npm run client:generate`. Do not edit.

export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  /**
   * New ones may appear
   */
  code: string
  /**
   * What to do next, for a person
   */
  next: string
  request_id: string
  /**
   * Field path -> what is wrong with it
   */
  fields?: {
    [k: string]: string
  }
}

export type ErrorCode =
  | 'bad_request'
  | 'unauthenticated'
  | 'session_refused'
  | 'forbidden'
  | 'insufficient_scope'
  | 'fresh_signin_required'
  | 'browser_only'
  | 'cross_site'
  | 'not_found'
  | 'method_not_allowed'
  | 'timeout'
  | 'too_large'
  | 'uri_too_long'
  | 'unsupported_media_type'
  | 'expectation_failed'
  | 'wrong_host'
  | 'idempotency_running'
  | 'idempotency_spent'
  | 'idempotency_mismatch'
  | 'rate_limited'
  | 'headers_too_large'
  | 'internal'
  | 'unavailable'
  | 'not_serving'
  | 'issuer_unavailable'
  | 'keys_unavailable'
  | 'tenant_shredded'
  | 'signin_failed'
  | 'signin_denied'
  | 'signin_not_confirmed'
  | 'signin_unavailable'
  | 'clocks_differ'
  | 'attempt_unknown'
  | 'attempt_expired'
  | 'attempt_used'
  | 'link_denied'
  | 'issuer_mismatch'
  | 'client_not_registered'
  | 'upstream_unavailable'
  | 'link_interrupted'
  | 'upstream_protocol'
  | 'upstream_refused'
  | 'upstream_forbidden'
  | 'upstream_signed_out'
  | 'no_refresh_token'
  | 'flow_not_offered'
  | 'projects_not_chosen'
  | 'last_project'
  | 'already_linked'
  | 'another_project'
  | 'different_account'
  | 'paste_not_allowed'
  | 'token_not_taken'
  | 'no_session'
  | 'own_session'
  | 'not_pasted'
  | 'alias_taken'
  | 'provider_misconfigured'
  | 'needs_relink'
  | 'frozen'
  | 'not_linked'
  | 'over_policy'
  | 'beyond_grant'
  | 'too_many_tokens'
  | 'token_outstanding'
  | 'no_strategy'
  | 'issue_unconfirmed'
  | 'excess_rights'
  | 'unsound_token'
  | 'upstream_rejected'
  | 'no_component_page'
  | 'missing_master_token'
  | 'component_refused'
  | 'revoked_meanwhile'
  | 'token_unknown'
  | 'token_ended'
  | 'rule_refused'
  | 'path_refused'
  | 'header_refused'
  | 'upgrade_refused'
  | 'redirect_refused'
  | 'user_code_unknown'
  | 'request_over'
  | 'invalid_client'
  | 'unauthorized_client'
  | 'invalid_grant'
  | 'unsupported_grant_type'
  | 'unsupported_response_type'
  | 'invalid_scope'
  | 'invalid_target'
  | 'redirect_unknown'
  | 'client_document_refused'
  | 'client_document_invalid'
  | 'authorization_pending'
  | 'slow_down'
  | 'access_denied'
  | 'expired_token'
  | 'login_required'
  | 'consent_required'
  | 'invalid_dpop_proof'
  | 'use_dpop_nonce'
  | 'request_uri_unknown'
  | 'invitation_unknown'
  | 'too_many_invitations'
  | 'last_owner'
  | 'slug_taken'
  | 'provider_exists'
  | 'provider_in_use'
  | 'no_own_apis'
  | 'audience_exists'
  | 'too_many_audiences'
  | 'too_many_webhooks'
  | 'trusted_issuer_exists'
  | 'trusted_client_exists'
  | 'too_many_trusted'
  | 'opaque_taken'
  | 'too_many_clients'
  | 'too_many_secrets'
  | 'webhook_off'
  | 'count_changed'

export interface Paths {
  '/.well-known/oauth-authorization-server/t/{tenant}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              issuer: string
              jwks_uri: string
              /**
               * None: its tokens are issued to members by this API. Left out, they would mean the code and implicit flows
               */
              response_types_supported: string[]
              grant_types_supported: string[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/health': {
    get: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              status: 'ok'
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/ready': {
    get: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              status: 'ready'
              log_lines_dropped?: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/authorizations/claim': {
    post: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            user_code: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/authorizations/{authorization}': {
    get: {
      parameters: {
        query?: {
          /**
           * For which the caller would answer
           */
          tenant?: string
        }
        header?: never
        path: {
          authorization: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              kind: 'device' | 'code'
              state: 'open' | 'approved' | 'denied' | 'expired'
              /**
               * `tenant`: whose it is, by name; null: it belongs to the instance. `document`: where it says itself what it is, and nobody has registered it; null: an admin did
               */
              client: {
                id: string
                name: string
                tenant: string | null
                document: string | null
              }
              tenants: {
                slug: string
                name: string
                role: 'owner' | 'admin' | 'member' | 'auditor'
                device_flow: 'typed' | 'one_click' | 'off'
              }[]
              chosen: {
                slug: string
                frozen: boolean
                scopes: (
                  | 'projects:read'
                  | 'connections:manage'
                  | 'tokens:issue'
                  | 'tokens:revoke'
                  | 'tenant:read'
                  | 'tenant:manage'
                  | 'audit:read'
                  | 'mcp:use'
                )[]
                /**
                 * Asked for, and not to be given: never to a device, no longer to this client, or beyond the role
                 */
                withheld: {
                  scope:
                    | 'projects:read'
                    | 'connections:manage'
                    | 'tokens:issue'
                    | 'tokens:revoke'
                    | 'tenant:read'
                    | 'tenant:manage'
                    | 'audit:read'
                    | 'mcp:use'
                  because: 'device' | 'client' | 'role'
                }[]
                projects: {
                  id: string
                  name: string
                  alias: string
                  provider: string
                  upstream: boolean
                  proxy: boolean
                }[]
              } | null
              /**
               * Of a request for the gateway of an MCP server: which one; its ceiling is then said as `proxy` of its project. `server` null: the caller cannot use it
               */
              gateway: {
                url: string
                server: {
                  id: string
                  name: string
                  provider: string
                  host: string
                } | null
              } | null
              redirect_host: string | null
              /**
               * Of the program that began it
               */
              address: string | null
              agent: string | null
              /**
               * Whether it came from the network that the caller is in; null: not known
               */
              same_network: boolean | null
              /**
               * The program wants them to have signed in more lately
               */
              sign_in_again: boolean
              created_at: string
              expires_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/authorizations/{authorization}/approval': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          authorization: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            tenant: string
            /**
             * @maxItems 8
             */
            scopes: (
              | 'projects:read'
              | 'connections:manage'
              | 'tokens:issue'
              | 'tokens:revoke'
              | 'tenant:read'
              | 'tenant:manage'
              | 'audit:read'
              | 'mcp:use'
            )[]
            ceilings: {
              [k: string]: {
                rights?: {
                  [k: string]: unknown
                } | null
                proxy?: {
                  [k: string]: unknown
                } | null
              }
            }
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * Where the browser goes with the answer; null: a device asks for it
               */
              redirect_to: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/authorizations/{authorization}/denial': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          authorization: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * The caller did not begin it: somebody else did
             */
            not_me: boolean
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * Where the browser goes with the answer; null: a device asks for it
               */
              redirect_to: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/authorizations/{authorization}/release': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          authorization: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/csp-reports': {
    post: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            'csp-report': {
              'document-uri'?: string
              'blocked-uri'?: string
              'effective-directive'?: string
              'violated-directive'?: string
              'line-number'?: number
              [k: string]: unknown
            }
            [k: string]: unknown
          }
          'application/csp-report': {
            'csp-report': {
              'document-uri'?: string
              'blocked-uri'?: string
              'effective-directive'?: string
              'violated-directive'?: string
              'line-number'?: number
              [k: string]: unknown
            }
            [k: string]: unknown
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/invitations/accept': {
    post: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            secret: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              slug: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/invitations/preview': {
    post: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            secret: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              tenant: string
              role: 'owner' | 'admin' | 'member' | 'auditor'
              /**
               * `over`: too old, or whoever made it can no longer give this role
               */
              state: 'open' | 'used' | 'over'
              expires_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/me': {
    get: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              name: string
              email: string | null
              issuer: string
              operator: boolean
              signed_in_at: string
              expires_at: string
              tenants: {
                slug: string
                name: string
                role: 'owner' | 'admin' | 'member' | 'auditor'
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/openapi.json': {
    get: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              [k: string]: unknown
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants': {
    post: {
      parameters: {
        query?: never
        header?: never
        path?: never
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name: string
            slug: string
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              slug: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/attempts': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                provider_id: string
                purpose: 'link' | 'relink'
                /**
                 * `going_on`: its person came back from the upstream, and the link is being finished; `choosing`: they choose the projects that it is for
                 */
                status: 'pending' | 'going_on' | 'choosing' | 'expired' | 'done' | 'failed'
                /**
                 * Why it failed: an error code, `cancelled` by its person, or `withdrawn` by an admin
                 */
                outcome: string | null
                detail: string | null
                /**
                 * What came back is kept until `expires_at`: it can be linked as new, or under another alias
                 */
                can_adopt: boolean
                connection_id: string | null
                project_id: string | null
                /**
                 * Which of the ways to link of the provider’s kind; null: the ordinary one
                 */
                flow: string | null
                created_at: string
                expires_at: string
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            provider: string
            /**
             * What scripts will call the project; made from its name where none is given
             */
            alias?: string
            /**
             * Reconnect this one instead of linking anew
             */
            connection?: string
            /**
             * One of the ways to link of the provider (`flows`), or `ordinary`; left out: that of the connection, else the ordinary one
             */
            flow?: string
            /**
             * It goes on in a pop-up, whose last page tells its opener and closes
             */
            popup?: boolean
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              /**
               * At the upstream; or at Valetkey, where the connection works again by a silent refresh and nothing is to be done
               */
              url: string
              expires_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/attempts/{attempt}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              provider_id: string
              purpose: 'link' | 'relink'
              /**
               * `going_on`: its person came back from the upstream, and the link is being finished; `choosing`: they choose the projects that it is for
               */
              status: 'pending' | 'going_on' | 'choosing' | 'expired' | 'done' | 'failed'
              /**
               * Why it failed: an error code, `cancelled` by its person, or `withdrawn` by an admin
               */
              outcome: string | null
              detail: string | null
              /**
               * What came back is kept until `expires_at`: it can be linked as new, or under another alias
               */
              can_adopt: boolean
              connection_id: string | null
              project_id: string | null
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              created_at: string
              expires_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/attempts/{attempt}/adopt': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            alias?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              project: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/attempts/{attempt}/projects': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              account: string
              projects: {
                external_id: string
                name: string
                /**
                 * The caller’s, as the upstream calls it
                 */
                role: string | null
                /**
                 * The connection that has it already
                 */
                linked_by: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * By their ids at the upstream (`external_id`)
             *
             * @minItems 1
             * @maxItems 500
             */
            projects: string[]
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              project: string
              connection: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/attempts/{attempt}/resume': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          attempt: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              url: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audiences': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                audience: string
                name: string
                alias: string
                settings: {
                  [k: string]: unknown
                }
                /**
                 * Null: the provider's and the tenant's policies say it
                 */
                max_lifetime_seconds: number | null
                /**
                 * Living tokens of all members
                 */
                tokens_out: number
                created_at: string
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            audience: string
            name: string
            alias: string
            /**
             * What the tokens of an audience may be given, and how they are made: in the form of the provider’s kind.
             */
            settings: {
              /**
               * @minItems 1
               * @maxItems 50
               */
              scopes: {
                name: string
                text: string
                risk: 'low' | 'medium' | 'high'
              }[]
              offline: boolean
            }
            max_lifetime_seconds?: number
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              audience: string
              name: string
              alias: string
              settings: {
                [k: string]: unknown
              }
              /**
               * Null: the provider's and the tenant's policies say it
               */
              max_lifetime_seconds: number | null
              /**
               * Living tokens of all members
               */
              tokens_out: number
              created_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audiences/{audience}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          audience: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            reason?: string | ''
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * How many tokens were revoked with it
               */
              revoked: number
              /**
               * The latest moment at which one of them could still work, because it is verified without Valetkey; null: none does
               */
              latest_moment: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          audience: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name?: string
            /**
             * What the tokens of an audience may be given, and how they are made: in the form of the provider’s kind.
             */
            settings?: {
              /**
               * @minItems 1
               * @maxItems 50
               */
              scopes: {
                name: string
                text: string
                risk: 'low' | 'medium' | 'high'
              }[]
              offline: boolean
            }
            /**
             * Null: it says nothing
             */
            max_lifetime_seconds?: number | null
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              audience: string
              name: string
              alias: string
              settings: {
                [k: string]: unknown
              }
              /**
               * Null: the provider's and the tenant's policies say it
               */
              max_lifetime_seconds: number | null
              /**
               * Living tokens of all members
               */
              tokens_out: number
              created_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audit-events': {
    get: {
      parameters: {
        query?: {
          /**
           * Who did it, whose it was done to, or to whom
           */
          person?: string
          project?: string
          /**
           * `token.revoked`, or `token` for all that begin with it
           */
          action?: string
          outcome?: 'ok' | 'refused' | 'failed'
          /**
           * At this moment or later
           */
          from?: string
          /**
           * Before this moment
           */
          until?: string
          address?: string
          /**
           * Through which program, or about which
           */
          client?: string
          fingerprint?: string
          request?: string
          /**
           * The id of what it was done to
           */
          about?: string
          /**
           * `next` of the page before
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audit-events/csv': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Who did it, whose it was done to, or to whom
             */
            person?: string
            project?: string
            /**
             * `token.revoked`, or `token` for all that begin with it
             */
            action?: string
            outcome?: 'ok' | 'refused' | 'failed'
            /**
             * At this moment or later
             */
            from?: string
            /**
             * Before this moment
             */
            until?: string
            address?: string
            /**
             * Through which program, or about which
             */
            client?: string
            fingerprint?: string
            request?: string
            /**
             * The id of what it was done to
             */
            about?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'text/csv': string
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audit-events/exports': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/x-ndjson': string
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audit-events/ndjson': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Who did it, whose it was done to, or to whom
             */
            person?: string
            project?: string
            /**
             * `token.revoked`, or `token` for all that begin with it
             */
            action?: string
            outcome?: 'ok' | 'refused' | 'failed'
            /**
             * At this moment or later
             */
            from?: string
            /**
             * Before this moment
             */
            until?: string
            address?: string
            /**
             * Through which program, or about which
             */
            client?: string
            fingerprint?: string
            request?: string
            /**
             * The id of what it was done to
             */
            about?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/x-ndjson': string
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/audit-events/{event}/related': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          event: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              event: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }
              /**
               * What else the same request did, newest first; a hundred at most
               */
              act: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
              /**
               * There is more of it: ask the list for its `request`
               */
              act_is_cut: boolean
              /**
               * What else happened to the same thing, newest first; twenty at most
               */
              about: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
              /**
               * What the people in all of that are called, by id
               */
              names: {
                [k: string]: string
              }
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/clients': {
    get: {
      parameters: {
        query?: {
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                name: string
                /**
                 * Of the instance: every tenant sees it, and none changes it
                 */
                of_server: boolean
                /**
                 * `none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes
                 */
                token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
                redirect_uris: string[]
                grant_types: (
                  | 'urn:ietf:params:oauth:grant-type:device_code'
                  | 'authorization_code'
                  | 'refresh_token'
                  | 'urn:ietf:params:oauth:grant-type:token-exchange'
                )[]
                /**
                 * What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server
                 */
                scopes: (
                  | 'projects:read'
                  | 'connections:manage'
                  | 'tokens:issue'
                  | 'tokens:revoke'
                  | 'tenant:read'
                  | 'tenant:manage'
                  | 'audit:read'
                  | 'mcp:use'
                )[]
                /**
                 * The public keys that its assertions are verified with; null: it has none
                 */
                jwks: {
                  /**
                   * @minItems 1
                   * @maxItems 8
                   */
                  keys: {
                    kid: string
                    alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                    kty: 'EC' | 'OKP' | 'RSA'
                    use?: 'sig'
                    crv?: 'P-256' | 'P-384' | 'Ed25519'
                    x?: string
                    y?: string
                    n?: string
                    e?: string
                  }[]
                } | null
                /**
                 * Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)
                 */
                audiences: string[]
                dpop_bound_access_tokens: boolean
                require_pushed_authorization_requests: boolean
                /**
                 * Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did
                 */
                document: string | null
                created_by: string | null
                created_at: string
                /**
                 * To the minute
                 */
                last_used_at: string | null
                /**
                 * Those that count, newest first; two at most. Their values are shown once, when they are made
                 */
                secrets: {
                  id: string
                  created_by: string
                  created_at: string
                  /**
                   * When it stops counting; null: once somebody ends it
                   */
                  expires_at: string | null
                  /**
                   * To the minute
                   */
                  last_used_at: string | null
                }[]
              }[]
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name: string
            token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
            /**
             * @maxItems 20
             */
            redirect_uris?: string[]
            /**
             * @maxItems 4
             */
            grant_types?: (
              | 'urn:ietf:params:oauth:grant-type:device_code'
              | 'authorization_code'
              | 'refresh_token'
              | 'urn:ietf:params:oauth:grant-type:token-exchange'
            )[]
            /**
             * @maxItems 8
             */
            scopes?: (
              | 'projects:read'
              | 'connections:manage'
              | 'tokens:issue'
              | 'tokens:revoke'
              | 'tenant:read'
              | 'tenant:manage'
              | 'audit:read'
              | 'mcp:use'
            )[]
            jwks?: {
              /**
               * @minItems 1
               * @maxItems 8
               */
              keys: {
                kid: string
                alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                kty: 'EC' | 'OKP' | 'RSA'
                use?: 'sig'
                crv?: 'P-256' | 'P-384' | 'Ed25519'
                x?: string
                y?: string
                n?: string
                e?: string
              }[]
            }
            /**
             * @maxItems 50
             */
            audiences?: string[]
            /**
             * Its tokens are bound to a key of its own (RFC 9449)
             */
            dpop_bound_access_tokens?: boolean
            /**
             * It pushes its authorization requests (RFC 9126)
             */
            require_pushed_authorization_requests?: boolean
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              client: {
                id: string
                name: string
                /**
                 * Of the instance: every tenant sees it, and none changes it
                 */
                of_server: boolean
                /**
                 * `none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes
                 */
                token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
                redirect_uris: string[]
                grant_types: (
                  | 'urn:ietf:params:oauth:grant-type:device_code'
                  | 'authorization_code'
                  | 'refresh_token'
                  | 'urn:ietf:params:oauth:grant-type:token-exchange'
                )[]
                /**
                 * What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server
                 */
                scopes: (
                  | 'projects:read'
                  | 'connections:manage'
                  | 'tokens:issue'
                  | 'tokens:revoke'
                  | 'tenant:read'
                  | 'tenant:manage'
                  | 'audit:read'
                  | 'mcp:use'
                )[]
                /**
                 * The public keys that its assertions are verified with; null: it has none
                 */
                jwks: {
                  /**
                   * @minItems 1
                   * @maxItems 8
                   */
                  keys: {
                    kid: string
                    alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                    kty: 'EC' | 'OKP' | 'RSA'
                    use?: 'sig'
                    crv?: 'P-256' | 'P-384' | 'Ed25519'
                    x?: string
                    y?: string
                    n?: string
                    e?: string
                  }[]
                } | null
                /**
                 * Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)
                 */
                audiences: string[]
                dpop_bound_access_tokens: boolean
                require_pushed_authorization_requests: boolean
                /**
                 * Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did
                 */
                document: string | null
                created_by: string | null
                created_at: string
                /**
                 * To the minute
                 */
                last_used_at: string | null
                /**
                 * Those that count, newest first; two at most. Their values are shown once, when they are made
                 */
                secrets: {
                  id: string
                  created_by: string
                  created_at: string
                  /**
                   * When it stops counting; null: once somebody ends it
                   */
                  expires_at: string | null
                  /**
                   * To the minute
                   */
                  last_used_at: string | null
                }[]
              }
              client_secret: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/clients/{client}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            reason?: string | ''
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              name: string
              /**
               * Of the instance: every tenant sees it, and none changes it
               */
              of_server: boolean
              /**
               * `none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes
               */
              token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
              redirect_uris: string[]
              grant_types: (
                | 'urn:ietf:params:oauth:grant-type:device_code'
                | 'authorization_code'
                | 'refresh_token'
                | 'urn:ietf:params:oauth:grant-type:token-exchange'
              )[]
              /**
               * What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server
               */
              scopes: (
                | 'projects:read'
                | 'connections:manage'
                | 'tokens:issue'
                | 'tokens:revoke'
                | 'tenant:read'
                | 'tenant:manage'
                | 'audit:read'
                | 'mcp:use'
              )[]
              /**
               * The public keys that its assertions are verified with; null: it has none
               */
              jwks: {
                /**
                 * @minItems 1
                 * @maxItems 8
                 */
                keys: {
                  kid: string
                  alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                  kty: 'EC' | 'OKP' | 'RSA'
                  use?: 'sig'
                  crv?: 'P-256' | 'P-384' | 'Ed25519'
                  x?: string
                  y?: string
                  n?: string
                  e?: string
                }[]
              } | null
              /**
               * Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)
               */
              audiences: string[]
              dpop_bound_access_tokens: boolean
              require_pushed_authorization_requests: boolean
              /**
               * Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did
               */
              document: string | null
              created_by: string | null
              created_at: string
              /**
               * To the minute
               */
              last_used_at: string | null
              /**
               * Those that count, newest first; two at most. Their values are shown once, when they are made
               */
              secrets: {
                id: string
                created_by: string
                created_at: string
                /**
                 * When it stops counting; null: once somebody ends it
                 */
                expires_at: string | null
                /**
                 * To the minute
                 */
                last_used_at: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name?: string
            /**
             * @maxItems 20
             */
            redirect_uris?: string[]
            /**
             * @maxItems 4
             */
            grant_types?: (
              | 'urn:ietf:params:oauth:grant-type:device_code'
              | 'authorization_code'
              | 'refresh_token'
              | 'urn:ietf:params:oauth:grant-type:token-exchange'
            )[]
            /**
             * @maxItems 8
             */
            scopes?: (
              | 'projects:read'
              | 'connections:manage'
              | 'tokens:issue'
              | 'tokens:revoke'
              | 'tenant:read'
              | 'tenant:manage'
              | 'audit:read'
              | 'mcp:use'
            )[]
            jwks?: {
              /**
               * @minItems 1
               * @maxItems 8
               */
              keys: {
                kid: string
                alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                kty: 'EC' | 'OKP' | 'RSA'
                use?: 'sig'
                crv?: 'P-256' | 'P-384' | 'Ed25519'
                x?: string
                y?: string
                n?: string
                e?: string
              }[]
            }
            /**
             * @maxItems 50
             */
            audiences?: string[]
            /**
             * Its tokens are bound to a key of its own (RFC 9449)
             */
            dpop_bound_access_tokens?: boolean
            /**
             * It pushes its authorization requests (RFC 9126)
             */
            require_pushed_authorization_requests?: boolean
            /**
             * End all that people gave it, whatever else changes
             */
            end_grants?: true
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              name: string
              /**
               * Of the instance: every tenant sees it, and none changes it
               */
              of_server: boolean
              /**
               * `none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes
               */
              token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
              redirect_uris: string[]
              grant_types: (
                | 'urn:ietf:params:oauth:grant-type:device_code'
                | 'authorization_code'
                | 'refresh_token'
                | 'urn:ietf:params:oauth:grant-type:token-exchange'
              )[]
              /**
               * What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server
               */
              scopes: (
                | 'projects:read'
                | 'connections:manage'
                | 'tokens:issue'
                | 'tokens:revoke'
                | 'tenant:read'
                | 'tenant:manage'
                | 'audit:read'
                | 'mcp:use'
              )[]
              /**
               * The public keys that its assertions are verified with; null: it has none
               */
              jwks: {
                /**
                 * @minItems 1
                 * @maxItems 8
                 */
                keys: {
                  kid: string
                  alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                  kty: 'EC' | 'OKP' | 'RSA'
                  use?: 'sig'
                  crv?: 'P-256' | 'P-384' | 'Ed25519'
                  x?: string
                  y?: string
                  n?: string
                  e?: string
                }[]
              } | null
              /**
               * Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)
               */
              audiences: string[]
              dpop_bound_access_tokens: boolean
              require_pushed_authorization_requests: boolean
              /**
               * Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did
               */
              document: string | null
              created_by: string | null
              created_at: string
              /**
               * To the minute
               */
              last_used_at: string | null
              /**
               * Those that count, newest first; two at most. Their values are shown once, when they are made
               */
              secrets: {
                id: string
                created_by: string
                created_at: string
                /**
                 * When it stops counting; null: once somebody ends it
                 */
                expires_at: string | null
                /**
                 * To the minute
                 */
                last_used_at: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/clients/{client}/ending': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              grants: number
              people: number
              tokens: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/clients/{client}/secrets': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            grace_seconds: 0 | 3600 | 86400 | 604800
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              client: {
                id: string
                name: string
                /**
                 * Of the instance: every tenant sees it, and none changes it
                 */
                of_server: boolean
                /**
                 * `none`: a public client. `client_secret_basic`: a secret, which may also stand in the body. It never changes
                 */
                token_endpoint_auth_method: 'none' | 'client_secret_basic' | 'private_key_jwt'
                redirect_uris: string[]
                grant_types: (
                  | 'urn:ietf:params:oauth:grant-type:device_code'
                  | 'authorization_code'
                  | 'refresh_token'
                  | 'urn:ietf:params:oauth:grant-type:token-exchange'
                )[]
                /**
                 * What it may be granted at most: at this API, or with `mcp:use` for the gateway of an MCP server
                 */
                scopes: (
                  | 'projects:read'
                  | 'connections:manage'
                  | 'tokens:issue'
                  | 'tokens:revoke'
                  | 'tenant:read'
                  | 'tenant:manage'
                  | 'audit:read'
                  | 'mcp:use'
                )[]
                /**
                 * The public keys that its assertions are verified with; null: it has none
                 */
                jwks: {
                  /**
                   * @minItems 1
                   * @maxItems 8
                   */
                  keys: {
                    kid: string
                    alg: 'ES256' | 'ES384' | 'EdDSA' | 'RS256' | 'PS256'
                    kty: 'EC' | 'OKP' | 'RSA'
                    use?: 'sig'
                    crv?: 'P-256' | 'P-384' | 'Ed25519'
                    x?: string
                    y?: string
                    n?: string
                    e?: string
                  }[]
                } | null
                /**
                 * Ids of projects that are the tenant’s own audiences: it may ask about their tokens (RFC 7662)
                 */
                audiences: string[]
                dpop_bound_access_tokens: boolean
                require_pushed_authorization_requests: boolean
                /**
                 * Where it says itself what it is, which is its `client_id` then: nobody registered it. Null: somebody did
                 */
                document: string | null
                created_by: string | null
                created_at: string
                /**
                 * To the minute
                 */
                last_used_at: string | null
                /**
                 * Those that count, newest first; two at most. Their values are shown once, when they are made
                 */
                secrets: {
                  id: string
                  created_by: string
                  created_at: string
                  /**
                   * When it stops counting; null: once somebody ends it
                   */
                  expires_at: string | null
                  /**
                   * To the minute
                   */
                  last_used_at: string | null
                }[]
              }
              client_secret: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/clients/{client}/secrets/{client_secret}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          client: string
          client_secret: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections': {
    get: {
      parameters: {
        query?: {
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          project?: string
          provider?: string
          /**
           * Kind of the provider
           */
          provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
          /**
           * Made, or linked last, at this moment or before
           */
          made_before?: string
          /**
           * Last used before this moment; `unknown`: nobody told of a use
           */
          used_before?: string | 'unknown'
          /**
           * Ends before this moment, if nothing renews it; `unknown`: no end is known
           */
          ends_before?: string | 'unknown'
          /**
           * Ends at this moment or later, or no end is known
           */
          ends_after?: string
          /**
           * `standing`: all but the revoked ones
           */
          status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked' | 'standing' | 'frozen'
          everybody?: '1'
          /**
           * Left out: newest first. `ends`: what ends soonest first; `used`: what was used last first; both for a state in which things still live
           */
          sort?: 'newest' | 'ends' | 'used'
          /**
           * `next` of the page before, in the same order
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                owner_id: string
                account_name: string
                /**
                 * As the upstream calls it
                 */
                upstream_role: string | null
                status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
                cause: string | null
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                status_since: string
                last_refresh_at: string | null
                /**
                 * While it rests after a failure
                 */
                next_try_at: string | null
                /**
                 * When the background renews it by itself
                 */
                next_renewal_at: string | null
                /**
                 * Until when the stored access token works, whatever the upstream does
                 */
                serves_until: string | null
                /**
                 * When the grant ends unless it is renewed; null where nobody knows
                 */
                grant_expires_at: string | null
                linked_at: string
                /**
                 * Which of the ways to link of the provider’s kind; null: the ordinary one
                 */
                flow: string | null
                /**
                 * Ways to link that it can be moved to: it keeps its projects, aliases and history
                 */
                moves_to: {
                  name: string
                  title: string
                  hint: string
                  revokes_grants: boolean
                }[]
                /**
                 * Whether disconnecting ends the grant at the upstream
                 */
                revocable: boolean
                branch: string | null
                /**
                 * A token that was pasted in place of a consent; null: there was one
                 */
                pasted: {
                  /**
                   * What the upstream calls such a token
                   */
                  title: string
                  /**
                   * The upstream’s own
                   */
                  token_id: string
                  description: string
                  /**
                   * Whose it is there, or who made it
                   */
                  owner: string | null
                  /**
                   * It acts as its owner, with everything that they may do
                   */
                  is_master: boolean
                  rights: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  /**
                   * What a consent could do and it cannot; null: nothing
                   */
                  lacks: string | null
                  /**
                   * Its owner wants to read no more of that
                   */
                  warning_off: boolean
                  /**
                   * How often its value is replaced; null: when somebody asks
                   */
                  rotate_days: number | null
                  next_rotation_at: string | null
                  last_rotation_at: string | null
                } | null
                provider: {
                  id: string
                  name: string
                  kind: string
                }
                /**
                 * The first of those that it reaches
                 */
                project: {
                  id: string
                  name: string
                  alias: string
                  external_id: string
                } | null
                projects: {
                  id: string
                  name: string
                  alias: string
                  external_id: string
                }[]
              }[]
              /**
               * How many match, on all pages, counted up to 1000 only
               */
              total: number
              /**
               * Whether there are more than were counted
               */
              total_is_capped: boolean
              /**
               * What to ask the next page `before`; null: this is the last
               */
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            provider: string
            /**
             * Kept sealed, and never shown again
             */
            token: string
            /**
             * What scripts will call the project; made from its name where none is given
             */
            alias?: string
            /**
             * For this one alone: a token of another project is refused
             */
            connection?: string
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              account_name: string
              /**
               * As the upstream calls it
               */
              upstream_role: string | null
              status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
              cause: string | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              status_since: string
              last_refresh_at: string | null
              /**
               * While it rests after a failure
               */
              next_try_at: string | null
              /**
               * When the background renews it by itself
               */
              next_renewal_at: string | null
              /**
               * Until when the stored access token works, whatever the upstream does
               */
              serves_until: string | null
              /**
               * When the grant ends unless it is renewed; null where nobody knows
               */
              grant_expires_at: string | null
              linked_at: string
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              /**
               * Ways to link that it can be moved to: it keeps its projects, aliases and history
               */
              moves_to: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether disconnecting ends the grant at the upstream
               */
              revocable: boolean
              branch: string | null
              /**
               * A token that was pasted in place of a consent; null: there was one
               */
              pasted: {
                /**
                 * What the upstream calls such a token
                 */
                title: string
                /**
                 * The upstream’s own
                 */
                token_id: string
                description: string
                /**
                 * Whose it is there, or who made it
                 */
                owner: string | null
                /**
                 * It acts as its owner, with everything that they may do
                 */
                is_master: boolean
                rights: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                /**
                 * What a consent could do and it cannot; null: nothing
                 */
                lacks: string | null
                /**
                 * Its owner wants to read no more of that
                 */
                warning_off: boolean
                /**
                 * How often its value is replaced; null: when somebody asks
                 */
                rotate_days: number | null
                next_rotation_at: string | null
                last_rotation_at: string | null
              } | null
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * The first of those that it reaches
               */
              project: {
                id: string
                name: string
                alias: string
                external_id: string
              } | null
              projects: {
                id: string
                name: string
                alias: string
                external_id: string
              }[]
              /**
               * What happened to it, newest first
               */
              timeline: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              account_name: string
              /**
               * As the upstream calls it
               */
              upstream_role: string | null
              status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
              cause: string | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              status_since: string
              last_refresh_at: string | null
              /**
               * While it rests after a failure
               */
              next_try_at: string | null
              /**
               * When the background renews it by itself
               */
              next_renewal_at: string | null
              /**
               * Until when the stored access token works, whatever the upstream does
               */
              serves_until: string | null
              /**
               * When the grant ends unless it is renewed; null where nobody knows
               */
              grant_expires_at: string | null
              linked_at: string
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              /**
               * Ways to link that it can be moved to: it keeps its projects, aliases and history
               */
              moves_to: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether disconnecting ends the grant at the upstream
               */
              revocable: boolean
              branch: string | null
              /**
               * A token that was pasted in place of a consent; null: there was one
               */
              pasted: {
                /**
                 * What the upstream calls such a token
                 */
                title: string
                /**
                 * The upstream’s own
                 */
                token_id: string
                description: string
                /**
                 * Whose it is there, or who made it
                 */
                owner: string | null
                /**
                 * It acts as its owner, with everything that they may do
                 */
                is_master: boolean
                rights: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                /**
                 * What a consent could do and it cannot; null: nothing
                 */
                lacks: string | null
                /**
                 * Its owner wants to read no more of that
                 */
                warning_off: boolean
                /**
                 * How often its value is replaced; null: when somebody asks
                 */
                rotate_days: number | null
                next_rotation_at: string | null
                last_rotation_at: string | null
              } | null
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * The first of those that it reaches
               */
              project: {
                id: string
                name: string
                alias: string
                external_id: string
              } | null
              projects: {
                id: string
                name: string
                alias: string
                external_id: string
              }[]
              /**
               * What happened to it, newest first
               */
              timeline: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            branch: string | null
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/freeze': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            reason?: string | ''
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              account_name: string
              /**
               * As the upstream calls it
               */
              upstream_role: string | null
              status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
              cause: string | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              status_since: string
              last_refresh_at: string | null
              /**
               * While it rests after a failure
               */
              next_try_at: string | null
              /**
               * When the background renews it by itself
               */
              next_renewal_at: string | null
              /**
               * Until when the stored access token works, whatever the upstream does
               */
              serves_until: string | null
              /**
               * When the grant ends unless it is renewed; null where nobody knows
               */
              grant_expires_at: string | null
              linked_at: string
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              /**
               * Ways to link that it can be moved to: it keeps its projects, aliases and history
               */
              moves_to: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether disconnecting ends the grant at the upstream
               */
              revocable: boolean
              branch: string | null
              /**
               * A token that was pasted in place of a consent; null: there was one
               */
              pasted: {
                /**
                 * What the upstream calls such a token
                 */
                title: string
                /**
                 * The upstream’s own
                 */
                token_id: string
                description: string
                /**
                 * Whose it is there, or who made it
                 */
                owner: string | null
                /**
                 * It acts as its owner, with everything that they may do
                 */
                is_master: boolean
                rights: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                /**
                 * What a consent could do and it cannot; null: nothing
                 */
                lacks: string | null
                /**
                 * Its owner wants to read no more of that
                 */
                warning_off: boolean
                /**
                 * How often its value is replaced; null: when somebody asks
                 */
                rotate_days: number | null
                next_rotation_at: string | null
                last_rotation_at: string | null
              } | null
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * The first of those that it reaches
               */
              project: {
                id: string
                name: string
                alias: string
                external_id: string
              } | null
              projects: {
                id: string
                name: string
                alias: string
                external_id: string
              }[]
              /**
               * What happened to it, newest first
               */
              timeline: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/pasted-token': {
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Null: when somebody asks
             */
            rotate_days?: number | null
            /**
             * Whether the console says what a limited token cannot do
             */
            warning?: boolean
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/pasted-token/rotation': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              account_name: string
              /**
               * As the upstream calls it
               */
              upstream_role: string | null
              status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
              cause: string | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              status_since: string
              last_refresh_at: string | null
              /**
               * While it rests after a failure
               */
              next_try_at: string | null
              /**
               * When the background renews it by itself
               */
              next_renewal_at: string | null
              /**
               * Until when the stored access token works, whatever the upstream does
               */
              serves_until: string | null
              /**
               * When the grant ends unless it is renewed; null where nobody knows
               */
              grant_expires_at: string | null
              linked_at: string
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              /**
               * Ways to link that it can be moved to: it keeps its projects, aliases and history
               */
              moves_to: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether disconnecting ends the grant at the upstream
               */
              revocable: boolean
              branch: string | null
              /**
               * A token that was pasted in place of a consent; null: there was one
               */
              pasted: {
                /**
                 * What the upstream calls such a token
                 */
                title: string
                /**
                 * The upstream’s own
                 */
                token_id: string
                description: string
                /**
                 * Whose it is there, or who made it
                 */
                owner: string | null
                /**
                 * It acts as its owner, with everything that they may do
                 */
                is_master: boolean
                rights: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                /**
                 * What a consent could do and it cannot; null: nothing
                 */
                lacks: string | null
                /**
                 * Its owner wants to read no more of that
                 */
                warning_off: boolean
                /**
                 * How often its value is replaced; null: when somebody asks
                 */
                rotate_days: number | null
                next_rotation_at: string | null
                last_rotation_at: string | null
              } | null
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * The first of those that it reaches
               */
              project: {
                id: string
                name: string
                alias: string
                external_id: string
              } | null
              projects: {
                id: string
                name: string
                alias: string
                external_id: string
              }[]
              /**
               * What happened to it, newest first
               */
              timeline: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/projects/{project}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
          project: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * How many tokens were revoked
               */
              tokens: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/renewal': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              account_name: string
              /**
               * As the upstream calls it
               */
              upstream_role: string | null
              status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
              cause: string | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              status_since: string
              last_refresh_at: string | null
              /**
               * While it rests after a failure
               */
              next_try_at: string | null
              /**
               * When the background renews it by itself
               */
              next_renewal_at: string | null
              /**
               * Until when the stored access token works, whatever the upstream does
               */
              serves_until: string | null
              /**
               * When the grant ends unless it is renewed; null where nobody knows
               */
              grant_expires_at: string | null
              linked_at: string
              /**
               * Which of the ways to link of the provider’s kind; null: the ordinary one
               */
              flow: string | null
              /**
               * Ways to link that it can be moved to: it keeps its projects, aliases and history
               */
              moves_to: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether disconnecting ends the grant at the upstream
               */
              revocable: boolean
              branch: string | null
              /**
               * A token that was pasted in place of a consent; null: there was one
               */
              pasted: {
                /**
                 * What the upstream calls such a token
                 */
                title: string
                /**
                 * The upstream’s own
                 */
                token_id: string
                description: string
                /**
                 * Whose it is there, or who made it
                 */
                owner: string | null
                /**
                 * It acts as its owner, with everything that they may do
                 */
                is_master: boolean
                rights: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                /**
                 * What a consent could do and it cannot; null: nothing
                 */
                lacks: string | null
                /**
                 * Its owner wants to read no more of that
                 */
                warning_off: boolean
                /**
                 * How often its value is replaced; null: when somebody asks
                 */
                rotate_days: number | null
                next_rotation_at: string | null
                last_rotation_at: string | null
              } | null
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * The first of those that it reaches
               */
              project: {
                id: string
                name: string
                alias: string
                external_id: string
              } | null
              projects: {
                id: string
                name: string
                alias: string
                external_id: string
              }[]
              /**
               * What happened to it, newest first
               */
              timeline: {
                id: string
                at: string
                action: string
                outcome: 'ok' | 'refused' | 'failed'
                /**
                 * Null: the product itself
                 */
                actor_id: string | null
                target: {
                  kind: string
                  id: string
                } | null
                address: string | null
                agent: string | null
                request_id: string | null
                details: {
                  [k: string]: unknown
                }
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * @maxItems 100
               */
              sessions: {
                /**
                 * Names it here
                 */
                handle: string
                /**
                 * It is the one of this connection
                 */
                is_current: boolean
                /**
                 * The caller’s own connection that stands on it; null: none here, as of a command on their computer
                 */
                connection: {
                  id: string
                  name: string
                } | null
                /**
                 * As the upstream calls the program; null: it does not say
                 */
                client: string | null
                created_at: string | null
                last_used_at: string | null
              }[]
              /**
               * How many the upstream lists beside these
               */
              more: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/connections/{connection}/upstream-sessions/{handle}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          connection: string
          handle: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * `confirmed`: it is not listed any more; `failed`: it still is
               */
              upstream: 'done' | 'confirmed' | 'failed'
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/freezes': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant'
                id: string
                /**
                 * Who froze it; null where nobody knows
                 */
                by: string | null
                at: string
                reason: string | null
                /**
                 * When it ends by itself; null: when somebody lifts it
                 */
                until: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant'
            id: string
            reason?: string | ''
            /**
             * When it ends by itself; left out: when somebody lifts it
             */
            until?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              freeze: {
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant'
                id: string
                /**
                 * Who froze it; null where nobody knows
                 */
                by: string | null
                at: string
                reason: string | null
                /**
                 * When it ends by itself; null: when somebody lifts it
                 */
                until: string | null
              }
              already: boolean
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/freezes/selection': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            kind: 'connections' | 'grants'
            /**
             * Of connections: those in this state alone; of grants: only `frozen`
             */
            status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen'
            /**
             * Of grants, of tokens that were issued through one, and of requests
             */
            client?: string
            /**
             * Of tokens: how they were made
             */
            strategy?: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
            /**
             * Of grants: `device`: the instance's own program; everything else is an app
             */
            program?: 'device' | 'app'
            /**
             * Of requests
             */
            request?: 'link' | 'ask' | 'device' | 'app'
            /**
             * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
             */
            search?: string
            owner?: string
            project?: string
            provider?: string
            /**
             * Kind of the provider
             */
            provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
            /**
             * Made, or linked last, at this moment or before
             */
            made_before?: string
            /**
             * Last used before this moment; `unknown`: nobody told of a use
             */
            used_before?: string | 'unknown'
            /**
             * Ends before this moment, if nothing renews it; `unknown`: no end is known
             */
            ends_before?: string | 'unknown'
            /**
             * Ends at this moment or later, or no end is known
             */
            ends_after?: string
            /**
             * Of these alone
             *
             * @maxItems 500
             */
            ids?: string[]
            /**
             * Of the preview: what was made since is not touched
             */
            as_of: string
            /**
             * How many the preview counted
             */
            count: number
            reason?: string | ''
            /**
             * When the freezes end by themselves; left out: when somebody lifts them
             */
            until?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              frozen: number
              /**
               * Frozen before, for as long or longer
               */
              already: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/freezes/{kind}/{id}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant'
          id: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              already: boolean
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/grants': {
    get: {
      parameters: {
        query?: {
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          project?: string
          provider?: string
          /**
           * Kind of the provider
           */
          provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
          /**
           * Made, or linked last, at this moment or before
           */
          made_before?: string
          /**
           * Last used before this moment; `unknown`: nobody told of a use
           */
          used_before?: string | 'unknown'
          /**
           * Ends before this moment, if nothing renews it; `unknown`: no end is known
           */
          ends_before?: string | 'unknown'
          /**
           * Ends at this moment or later, or no end is known
           */
          ends_after?: string
          client?: string
          /**
           * Of grants: `device`: the instance's own program; everything else is an app
           */
          program?: 'device' | 'app'
          state?: 'live' | 'frozen' | 'ended'
          everybody?: '1'
          /**
           * Left out: newest first. `ends`: what ends soonest first; `used`: what was used last first; both for a state in which things still live
           */
          sort?: 'newest' | 'ends' | 'used'
          /**
           * `next` of the page before, in the same order
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                owner_id: string
                /**
                 * `frozen`: for everybody in this tenant
                 */
                client: {
                  id: string
                  name: string
                  frozen: boolean
                }
                /**
                 * `device`: the instance's own program, which runs there; everything else is an app
                 */
                kind: 'device' | 'app'
                /**
                 * How its person let it in: by a code on another device, or in the browser beside it
                 */
                via: 'device' | 'code'
                scopes: string[]
                /**
                 * Of the gateway of an MCP server, where alone it counts; null: at this API
                 */
                gateway: string | null
                ceilings: {
                  project: {
                    id: string
                    name: string
                    alias: string
                  }
                  /**
                   * Of tokens of the upstream, and of those that work through the proxy
                   */
                  rights:
                    | {
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }[]
                    | null
                  proxy:
                    | {
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }[]
                    | null
                }[]
                /**
                 * Of the program, when it began; as it told them
                 */
                address: string | null
                agent: string | null
                created_at: string
                /**
                 * In steps of a minute; null: never
                 */
                last_used_at: string | null
                last_address: string | null
                expires_at: string | null
                /**
                 * When it ends by itself unless it is used before; null: it cannot renew
                 */
                unused_until: string | null
                state: 'live' | 'frozen' | 'ended'
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                /**
                 * Itself, whatever else applies to it
                 */
                frozen_itself: boolean
                /**
                 * Why it ended. `reuse`: a refresh token came twice; `withdrawn`: its program was removed or changed, or the membership ended
                 */
                cause: ('revoked' | 'reuse' | 'signed_out' | 'expired' | 'withdrawn') | null
                ended_at: string | null
                ended_by: string | null
                /**
                 * How many living tokens were issued through it
                 */
                tokens: number
              }[]
              /**
               * How many match, on all pages, counted up to 1000 only
               */
              total: number
              /**
               * Whether there are more than were counted
               */
              total_is_capped: boolean
              /**
               * What to ask the next page `before`; null: this is the last
               */
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/grants/{grant}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          grant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              owner_id: string
              /**
               * `frozen`: for everybody in this tenant
               */
              client: {
                id: string
                name: string
                frozen: boolean
              }
              /**
               * `device`: the instance's own program, which runs there; everything else is an app
               */
              kind: 'device' | 'app'
              /**
               * How its person let it in: by a code on another device, or in the browser beside it
               */
              via: 'device' | 'code'
              scopes: string[]
              /**
               * Of the gateway of an MCP server, where alone it counts; null: at this API
               */
              gateway: string | null
              ceilings: {
                project: {
                  id: string
                  name: string
                  alias: string
                }
                /**
                 * Of tokens of the upstream, and of those that work through the proxy
                 */
                rights:
                  | {
                      text: string
                      risk: 'low' | 'medium' | 'high'
                    }[]
                  | null
                proxy:
                  | {
                      text: string
                      risk: 'low' | 'medium' | 'high'
                    }[]
                  | null
              }[]
              /**
               * Of the program, when it began; as it told them
               */
              address: string | null
              agent: string | null
              created_at: string
              /**
               * In steps of a minute; null: never
               */
              last_used_at: string | null
              last_address: string | null
              expires_at: string | null
              /**
               * When it ends by itself unless it is used before; null: it cannot renew
               */
              unused_until: string | null
              state: 'live' | 'frozen' | 'ended'
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              /**
               * Itself, whatever else applies to it
               */
              frozen_itself: boolean
              /**
               * Why it ended. `reuse`: a refresh token came twice; `withdrawn`: its program was removed or changed, or the membership ended
               */
              cause: ('revoked' | 'reuse' | 'signed_out' | 'expired' | 'withdrawn') | null
              ended_at: string | null
              ended_by: string | null
              /**
               * How many living tokens were issued through it
               */
              tokens: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/invitations': {
    get: {
      parameters: {
        query?: {
          /**
           * `next` of the page before
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                role: 'owner' | 'admin' | 'member' | 'auditor'
                note: string | null
                created_by: string
                expires_at: string
              }[]
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            role: 'owner' | 'admin' | 'member' | 'auditor'
            note?: string
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              role: 'owner' | 'admin' | 'member' | 'auditor'
              expires_at: string
              url: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/invitations/{invitation}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          invitation: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/leaks': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Up to 1,048,576 characters; the body may have 2 MiB
             */
            text: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * What the text was taken for
               */
              read_as: 'text' | 'json' | 'sarif'
              found: {
                /**
                 * What there is to revoke; a grant goes with all that was made of it. `connection`: a pasted token, which its owner rotates or deletes at the upstream
                 */
                kind: 'token' | 'grant' | 'client_secret' | 'connection'
                id: string
                /**
                 * What stood there of it
                 */
                shown: (
                  | 'proxy_token'
                  | 'own_token'
                  | 'access_token'
                  | 'refresh_token'
                  | 'device_code'
                  | 'authorization_code'
                  | 'client_secret'
                  | 'upstream_token'
                )[]
                /**
                 * Null: of a client, which is nobody’s own
                 */
                owner_id: string | null
                /**
                 * The purpose of a token, the name of a program
                 */
                name: string
                client_id: string | null
                project: {
                  id: string
                  name: string
                } | null
                provider: string | null
                fingerprint: string | null
                /**
                 * It still opens something: there is something to revoke
                 */
                stands: boolean
                /**
                 * What it can do, in words
                 */
                rights: string[]
                /**
                 * Living tokens that end with it
                 */
                tokens: number
                created_at: string
                ends_at: string | null
                last_used_at: string | null
                /**
                 * Where it stood, in the words of the text or of the scanner; twenty at most
                 */
                places: string[]
                times: number
              }[]
              /**
               * How many different values were looked up
               */
              candidates: number
              /**
               * Of the form of our tokens, and nothing of this tenant
               */
              unknown: number
              /**
               * They begin as our tokens do, and their checksum is wrong
               */
              damaged: number
              /**
               * There was more than is looked at: send the rest by itself
               */
              is_cut: boolean
              /**
               * What the owners are called, by id
               */
              names: {
                [k: string]: string
              }
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/link-requests/{link_request}/decline': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          link_request: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/link-requests/{link_request}/start': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          link_request: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              /**
               * At the upstream; or at Valetkey, where the connection works again by a silent refresh and nothing is to be done
               */
              url: string
              expires_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                user_id: string
                name: string
                email: string | null
                role: 'owner' | 'admin' | 'member' | 'auditor'
                status: 'active' | 'suspended'
                joined_at: string
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members/{user}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            reason?: string
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            role?: 'owner' | 'admin' | 'member' | 'auditor'
            status?: 'active' | 'suspended'
            reason?: string
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members/{user}/ending': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              sessions: number
              connections: number
              tokens: number
              /**
               * Devices and apps
               */
              grants: number
              invitations: number
              /**
               * That they made: these go on, and another admin must take them over
               */
              webhooks: number
              /**
               * Where those tell, for who administers
               */
              webhook_hosts: string[]
              /**
               * Of the tokens: known to have been used within the last hour
               */
              used_lately: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members/{user}/revocation': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Suspends them as well, so that a new sign-in does not let them in. True unless you revoke your own
             */
            block?: boolean
            reason?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * How it goes on: readRevocationAct
               */
              act: string
              sessions: number
              connections: number
              tokens: number
              grants: number
              invitations: number
              blocked: boolean
              /**
               * Nothing was left to end
               */
              already: boolean
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members/{user}/sessions': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                agent: string | null
                created_at: string
                expires_at: string
                /**
                 * Of the sign-in; of your own sessions alone
                 */
                address: string | null
                /**
                 * Of your own sessions alone: it tells of other tenants, too
                 */
                last_active_at: string | null
                /**
                 * The one that asks
                 */
                current: boolean
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/members/{user}/sessions/{session}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          user: string
          session: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/notifications': {
    get: {
      parameters: {
        query?: {
          /**
           * `next` of the page before
           */
          before?: string
          unread?: '1'
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                /**
                 * What happened; new kinds may appear
                 */
                kind: string
                connection_id: string | null
                provider_id: string | null
                /**
                 * Addressed to everybody who administers: whoever reads it first reads it for all
                 */
                for_admins: boolean
                cause: string | null
                /**
                 * When the grant ends, for `grant.ending`
                 */
                ends_at: string | null
                /**
                 * Why, for a freeze and for what an admin ended; of a freeze until when, too
                 */
                reason: string | null
                until: string | null
                projects: {
                  id: string
                  alias: string
                }[]
                /**
                 * What it is about where that is no connection and no provider
                 */
                about: {
                  kind: 'token' | 'grant' | 'client'
                  id: string
                  name: string
                } | null
                /**
                 * What somebody else ended, for `access.revoked`
                 */
                ended: {
                  by: string
                  /**
                   * Of many things at once: readRevocationAct
                   */
                  act: string | null
                  blocked: boolean
                  connections: number
                  tokens: number
                  grants: number
                  sessions: number
                  requests: number
                } | null
                created_at: string
                read_at: string | null
              }[]
              next: string | null
              /**
               * Counted up to 1000 only
               */
              unread: number
              /**
               * Whether there are more than were counted
               */
              unread_is_capped: boolean
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/notifications/read': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * @minItems 1
             * @maxItems 500
             */
            ids?: string[]
            through?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              marked: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/policy': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * How members let devices in: by typing the code, also by a link that brings it, or not at all
               */
              device_flow: 'typed' | 'one_click' | 'off'
              /**
               * Which programs that nobody registered members may let in at gateways of MCP servers: none, those whose answers stay at the member’s own computer, or any
               */
              client_documents: 'off' | 'this_computer' | 'anywhere'
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * How members let devices in: by typing the code, also by a link that brings it, or not at all
             */
            device_flow?: 'typed' | 'one_click' | 'off'
            /**
             * Which programs that nobody registered members may let in at gateways of MCP servers: none, those whose answers stay at the member’s own computer, or any
             */
            client_documents?: 'off' | 'this_computer' | 'anywhere'
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * How members let devices in: by typing the code, also by a link that brings it, or not at all
               */
              device_flow: 'typed' | 'one_click' | 'off'
              /**
               * Which programs that nobody registered members may let in at gateways of MCP servers: none, those whose answers stay at the member’s own computer, or any
               */
              client_documents: 'off' | 'this_computer' | 'anywhere'
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                name: string
                alias: string
                external_id: string
                region: string | null
                /**
                 * `strategy`: how its limited tokens are made; null: it makes none
                 */
                provider: {
                  id: string
                  name: string
                  kind: string
                  host: string
                  strategy: ('mint' | 'exchange' | 'narrow' | 'proxy' | 'sign') | null
                }
                /**
                 * The caller's own; null where they have not linked it
                 */
                connection: {
                  id: string
                  owner_id: string
                  account_name: string
                  /**
                   * As the upstream calls it
                   */
                  upstream_role: string | null
                  status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
                  cause: string | null
                  frozen: {
                    /**
                     * Of what is frozen; `membership`: the owner is suspended
                     */
                    kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                    /**
                     * Told to who oversees the tenant
                     */
                    by: string | null
                    at: string | null
                    reason: string | null
                    until: string | null
                  } | null
                  status_since: string
                  last_refresh_at: string | null
                  /**
                   * While it rests after a failure
                   */
                  next_try_at: string | null
                  /**
                   * When the background renews it by itself
                   */
                  next_renewal_at: string | null
                  /**
                   * Until when the stored access token works, whatever the upstream does
                   */
                  serves_until: string | null
                  /**
                   * When the grant ends unless it is renewed; null where nobody knows
                   */
                  grant_expires_at: string | null
                  linked_at: string
                  /**
                   * Which of the ways to link of the provider’s kind; null: the ordinary one
                   */
                  flow: string | null
                  /**
                   * Ways to link that it can be moved to: it keeps its projects, aliases and history
                   */
                  moves_to: {
                    name: string
                    title: string
                    hint: string
                    revokes_grants: boolean
                  }[]
                  /**
                   * Whether disconnecting ends the grant at the upstream
                   */
                  revocable: boolean
                  branch: string | null
                  /**
                   * A token that was pasted in place of a consent; null: there was one
                   */
                  pasted: {
                    /**
                     * What the upstream calls such a token
                     */
                    title: string
                    /**
                     * The upstream’s own
                     */
                    token_id: string
                    description: string
                    /**
                     * Whose it is there, or who made it
                     */
                    owner: string | null
                    /**
                     * It acts as its owner, with everything that they may do
                     */
                    is_master: boolean
                    rights: {
                      text: string
                      risk: 'low' | 'medium' | 'high'
                    }[]
                    /**
                     * What a consent could do and it cannot; null: nothing
                     */
                    lacks: string | null
                    /**
                     * Its owner wants to read no more of that
                     */
                    warning_off: boolean
                    /**
                     * How often its value is replaced; null: when somebody asks
                     */
                    rotate_days: number | null
                    next_rotation_at: string | null
                    last_rotation_at: string | null
                  } | null
                } | null
                /**
                 * The tenant's own, which needs no connection; null: it is linked. `offline`: its tokens are verified without Valetkey
                 */
                audience: {
                  offline: boolean
                } | null
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                /**
                 * The caller's own living tokens
                 */
                tokens_out: number
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              name: string
              alias: string
              external_id: string
              region: string | null
              /**
               * `strategy`: how its limited tokens are made; null: it makes none
               */
              provider: {
                id: string
                name: string
                kind: string
                host: string
                strategy: ('mint' | 'exchange' | 'narrow' | 'proxy' | 'sign') | null
              }
              /**
               * The caller's own; null where they have not linked it
               */
              connection: {
                id: string
                owner_id: string
                account_name: string
                /**
                 * As the upstream calls it
                 */
                upstream_role: string | null
                status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
                cause: string | null
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                status_since: string
                last_refresh_at: string | null
                /**
                 * While it rests after a failure
                 */
                next_try_at: string | null
                /**
                 * When the background renews it by itself
                 */
                next_renewal_at: string | null
                /**
                 * Until when the stored access token works, whatever the upstream does
                 */
                serves_until: string | null
                /**
                 * When the grant ends unless it is renewed; null where nobody knows
                 */
                grant_expires_at: string | null
                linked_at: string
                /**
                 * Which of the ways to link of the provider’s kind; null: the ordinary one
                 */
                flow: string | null
                /**
                 * Ways to link that it can be moved to: it keeps its projects, aliases and history
                 */
                moves_to: {
                  name: string
                  title: string
                  hint: string
                  revokes_grants: boolean
                }[]
                /**
                 * Whether disconnecting ends the grant at the upstream
                 */
                revocable: boolean
                branch: string | null
                /**
                 * A token that was pasted in place of a consent; null: there was one
                 */
                pasted: {
                  /**
                   * What the upstream calls such a token
                   */
                  title: string
                  /**
                   * The upstream’s own
                   */
                  token_id: string
                  description: string
                  /**
                   * Whose it is there, or who made it
                   */
                  owner: string | null
                  /**
                   * It acts as its owner, with everything that they may do
                   */
                  is_master: boolean
                  rights: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  /**
                   * What a consent could do and it cannot; null: nothing
                   */
                  lacks: string | null
                  /**
                   * Its owner wants to read no more of that
                   */
                  warning_off: boolean
                  /**
                   * How often its value is replaced; null: when somebody asks
                   */
                  rotate_days: number | null
                  next_rotation_at: string | null
                  last_rotation_at: string | null
                } | null
              } | null
              /**
               * The tenant's own, which needs no connection; null: it is linked. `offline`: its tokens are verified without Valetkey
               */
              audience: {
                offline: boolean
              } | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              /**
               * The caller's own living tokens
               */
              tokens_out: number
              /**
               * Present and former; all of them resolve
               */
              aliases: string[]
              cap: {
                seconds: number
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
              over_life: {
                value: 'refuse' | 'revoke_at_end'
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            alias: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              name: string
              alias: string
              external_id: string
              region: string | null
              /**
               * `strategy`: how its limited tokens are made; null: it makes none
               */
              provider: {
                id: string
                name: string
                kind: string
                host: string
                strategy: ('mint' | 'exchange' | 'narrow' | 'proxy' | 'sign') | null
              }
              /**
               * The caller's own; null where they have not linked it
               */
              connection: {
                id: string
                owner_id: string
                account_name: string
                /**
                 * As the upstream calls it
                 */
                upstream_role: string | null
                status: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'revoked'
                cause: string | null
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                status_since: string
                last_refresh_at: string | null
                /**
                 * While it rests after a failure
                 */
                next_try_at: string | null
                /**
                 * When the background renews it by itself
                 */
                next_renewal_at: string | null
                /**
                 * Until when the stored access token works, whatever the upstream does
                 */
                serves_until: string | null
                /**
                 * When the grant ends unless it is renewed; null where nobody knows
                 */
                grant_expires_at: string | null
                linked_at: string
                /**
                 * Which of the ways to link of the provider’s kind; null: the ordinary one
                 */
                flow: string | null
                /**
                 * Ways to link that it can be moved to: it keeps its projects, aliases and history
                 */
                moves_to: {
                  name: string
                  title: string
                  hint: string
                  revokes_grants: boolean
                }[]
                /**
                 * Whether disconnecting ends the grant at the upstream
                 */
                revocable: boolean
                branch: string | null
                /**
                 * A token that was pasted in place of a consent; null: there was one
                 */
                pasted: {
                  /**
                   * What the upstream calls such a token
                   */
                  title: string
                  /**
                   * The upstream’s own
                   */
                  token_id: string
                  description: string
                  /**
                   * Whose it is there, or who made it
                   */
                  owner: string | null
                  /**
                   * It acts as its owner, with everything that they may do
                   */
                  is_master: boolean
                  rights: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  /**
                   * What a consent could do and it cannot; null: nothing
                   */
                  lacks: string | null
                  /**
                   * Its owner wants to read no more of that
                   */
                  warning_off: boolean
                  /**
                   * How often its value is replaced; null: when somebody asks
                   */
                  rotate_days: number | null
                  next_rotation_at: string | null
                  last_rotation_at: string | null
                } | null
              } | null
              /**
               * The tenant's own, which needs no connection; null: it is linked. `offline`: its tokens are verified without Valetkey
               */
              audience: {
                offline: boolean
              } | null
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              /**
               * The caller's own living tokens
               */
              tokens_out: number
              /**
               * Present and former; all of them resolve
               */
              aliases: string[]
              cap: {
                seconds: number
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
              over_life: {
                value: 'refuse' | 'revoke_at_end'
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/component-urls': {
    post: {
      parameters: {
        query?: never
        header?: {
          'Idempotency-Key'?: string
        }
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            component: string
            /**
             * Its id
             */
            configuration: string
            /**
             * Seconds that the address works; less where policy says so
             */
            expires_in?: number
            /**
             * Also where the component does not say that it is authorized by somebody
             */
            anyway?: boolean
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              /**
               * What the address holds. Revoking it ends the address
               */
              token: {
                id: string
                fingerprint: string | null
                owner_id: string
                project: {
                  id: string
                  name: string
                  alias: string
                }
                provider: {
                  id: string
                  name: string
                  kind: string
                }
                /**
                 * Null: it needs none
                 */
                connection_id: string | null
                /**
                 * The program that asked for it with what its owner gave it; null: they asked themselves
                 */
                program: {
                  client_id: string
                  name: string
                  grant_id: string | null
                } | null
                purpose: string
                strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
                state: 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'
                /**
                 * Verified without Valetkey, by its signature: whatever is done here, it works until it expires
                 */
                offline: boolean
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                /**
                 * Thumbprint of the key that it is bound to; null: it is taken from whoever brings it
                 */
                dpop_jkt: string | null
                asked: {
                  [k: string]: unknown
                }
                /**
                 * From what came back, never from what was sent
                 */
                granted: {
                  [k: string]: unknown
                } | null
                /**
                 * Both for people
                 */
                rights: {
                  asked: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  granted:
                    | {
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }[]
                    | null
                }
                /**
                 * Rights that were asked and not granted, in words
                 */
                not_granted: string[]
                failure: string | null
                created_at: string
                /**
                 * At the upstream
                 */
                expires_at: string
                /**
                 * When it is revoked here, where the upstream gave it a longer life than was asked
                 */
                revoke_at: string | null
                /**
                 * No other token of its connection can be made while it lives
                 */
                exclusive: boolean
                /**
                 * Null: not reported
                 */
                last_used_at: string | null
                revoked_by: string | null
                revocation: {
                  blocked_at: string
                  upstream: 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none'
                  /**
                   * When the upstream was seen to refuse it, asked again after it was revoked
                   */
                  proved_at: string | null
                  last_error: string | null
                  tries: number
                  next_try_at: string | null
                  /**
                   * Null once the upstream was seen to refuse it, and no API may check it by its signature alone
                   */
                  latest_moment: (string | 'unknown') | null
                } | null
              }
              /**
               * As secret as the token that it holds
               */
              url: string
              /**
               * Seconds from now
               */
              expires_in: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/offer': {
    get: {
      parameters: {
        query?: {
          /**
           * The development branch that `environment` names; left out: that of the connection
           */
          branch?: string
        }
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              kind: string
              /**
               * The address of its API
               */
              api: string
              /**
               * Each, with why it is offered or not
               */
              strategies: {
                strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
                offered: boolean
                reason: string
              }[]
              /**
               * Those that are offered; the first is the one unless another is asked for. `proxy` has to be asked for by its name
               */
              ways: {
                strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
                /**
                 * What the upstream, or the proxy, calls such a token
                 */
                token_type: string
                /**
                 * The header line that carries it; `{token}` stands for it
                 */
                header: string
                /**
                 * Where the token works; paths of the API follow
                 */
                base_url: string
                /**
                 * JSON Schema of the rights that can be asked for; null: rules of the proxy
                 */
                rights_schema: {
                  [k: string]: unknown
                } | null
                /**
                 * The longest life of such a token, where that is less than the cap; null: the cap decides
                 */
                longest_seconds: number | null
                /**
                 * Whether one such token can be revoked before its end; otherwise it ends by itself
                 */
                ends_alone: boolean
                /**
                 * Of rules: whether they may be `read_only`; null: there are no rules
                 */
                read_only: boolean | null
                /**
                 * Of strategy proxy: rules for common errands; `{name}` stands for one segment to fill in
                 */
                named_rules: {
                  name: string
                  title: string
                  paths: string[]
                }[]
                /**
                 * How the tools of its upstream expect the token in the environment of a program
                 */
                environment: {
                  /**
                   * Variables that get the value of the token
                   */
                  token: string[]
                  /**
                   * Variables beside it
                   */
                  values: {
                    [k: string]: string
                  }
                }
              }[]
              cap: {
                seconds: number
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/scopes': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            /**
             * Beside the cap, whatever the kind of the provider offers
             */
            'application/json': {
              cap: {
                seconds: number
                set_by: 'project' | 'provider' | 'tenant' | 'person'
              }
              [k: string]: unknown
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/tokens': {
    post: {
      parameters: {
        query?: never
        header?: {
          'Idempotency-Key'?: string
        }
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Rights in the form of the provider’s kind, or the rules of a proxy token: one of these
             */
            scopes:
              | {
                  /**
                   * Components whose configurations it may use, by their ids
                   *
                   * @maxItems 200
                   */
                  components?: string[]
                  /**
                   * Buckets that it may read or write, by their ids
                   */
                  buckets?: {
                    [k: string]: 'read' | 'write'
                  }
                  /**
                   * Make and delete buckets, and read and write all of them
                   */
                  manage_buckets?: boolean
                  /**
                   * Read all files of the project
                   */
                  read_all_files?: boolean
                  /**
                   * See, end and take over tokens of everybody in the project; only where an admin allows it
                   */
                  manage_tokens?: boolean
                }
              | {
                  /**
                   * Of a child of a session: read everything in the project that your account may read
                   */
                  read_project?: boolean
                  /**
                   * Of a child of a session: do everything in the project that your account may do; only where an admin allows it
                   */
                  write_project?: boolean
                }
              | {
                  /**
                   * What it may do, by the names that its API gives
                   *
                   * @minItems 1
                   * @maxItems 100
                   */
                  scopes: string[]
                }
              | {
                  /**
                   * What it may do, by the names that its API gives
                   *
                   * @minItems 1
                   * @maxItems 100
                   */
                  scopes: string[]
                  /**
                   * Clients of the realm that accept it; no other one does
                   *
                   * @minItems 1
                   * @maxItems 10
                   */
                  audience: string[]
                  /**
                   * It stays about who linked, and names Valetkey as the one who acts
                   */
                  delegate?: true
                  /**
                   * The username of somebody else whom it is about, where policy allows that
                   */
                  impersonate?: string
                }
              | {
                  /**
                   * Tools that it may call, by name
                   *
                   * @maxItems 500
                   */
                  tools?: string[]
                  /**
                   * Call every tool that the server marks as read-only
                   */
                  read_only_tools?: boolean
                  /**
                   * Call every tool, also those that come later
                   */
                  all_tools?: boolean
                  /**
                   * Resources that it may read, by URI
                   *
                   * @maxItems 500
                   */
                  resources?: string[]
                  /**
                   * Read every resource
                   */
                  all_resources?: boolean
                  /**
                   * Prompts that it may get, by name
                   *
                   * @maxItems 500
                   */
                  prompts?: string[]
                  /**
                   * Get every prompt
                   */
                  all_prompts?: boolean
                }
              | (
                  | {
                      access: 'read_only'
                    }
                  | {
                      access: 'paths'
                      /**
                       * Methods and a path each
                       *
                       * @minItems 1
                       * @maxItems 50
                       */
                      paths: string[]
                    }
                  | {
                      access: 'everything'
                    }
                )
            /**
             * How it is made; left out: the first way that its upstream has
             */
            strategy?: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
            /**
             * Seconds
             */
            expires_in: number
            purpose: string
            /**
             * Of strategy proxy: thumbprint of the key that it is bound to. Left out: the key of the access token that asks, if it has one; null: none
             */
            dpop_jkt?: string | null
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              token: {
                id: string
                fingerprint: string | null
                owner_id: string
                project: {
                  id: string
                  name: string
                  alias: string
                }
                provider: {
                  id: string
                  name: string
                  kind: string
                }
                /**
                 * Null: it needs none
                 */
                connection_id: string | null
                /**
                 * The program that asked for it with what its owner gave it; null: they asked themselves
                 */
                program: {
                  client_id: string
                  name: string
                  grant_id: string | null
                } | null
                purpose: string
                strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
                state: 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'
                /**
                 * Verified without Valetkey, by its signature: whatever is done here, it works until it expires
                 */
                offline: boolean
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                /**
                 * Thumbprint of the key that it is bound to; null: it is taken from whoever brings it
                 */
                dpop_jkt: string | null
                asked: {
                  [k: string]: unknown
                }
                /**
                 * From what came back, never from what was sent
                 */
                granted: {
                  [k: string]: unknown
                } | null
                /**
                 * Both for people
                 */
                rights: {
                  asked: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  granted:
                    | {
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }[]
                    | null
                }
                /**
                 * Rights that were asked and not granted, in words
                 */
                not_granted: string[]
                failure: string | null
                created_at: string
                /**
                 * At the upstream
                 */
                expires_at: string
                /**
                 * When it is revoked here, where the upstream gave it a longer life than was asked
                 */
                revoke_at: string | null
                /**
                 * No other token of its connection can be made while it lives
                 */
                exclusive: boolean
                /**
                 * Null: not reported
                 */
                last_used_at: string | null
                revoked_by: string | null
                revocation: {
                  blocked_at: string
                  upstream: 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none'
                  /**
                   * When the upstream was seen to refuse it, asked again after it was revoked
                   */
                  proved_at: string | null
                  last_error: string | null
                  tries: number
                  next_try_at: string | null
                  /**
                   * Null once the upstream was seen to refuse it, and no API may check it by its signature alone
                   */
                  latest_moment: (string | 'unknown') | null
                } | null
              }
              value: string
              /**
               * Seconds from now
               */
              expires_in: number
              /**
               * What the upstream, or the proxy, calls such a token
               */
              token_type: string
              /**
               * Where the token is for
               */
              base_url: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/tools': {
    get: {
      parameters: {
        query?: {
          /**
           * As many as `next` of the page before says
           */
          skip?: number
        }
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * What it said of itself last; null: it was not asked, or gave no answer
               */
              server: {
                name: string
                title: string | null
                version: string
                /**
                 * Of the Model Context Protocol
                 */
                revision: string
                seen_at: string
              } | null
              /**
               * How the last reading of its list went, also one in the background; null: nobody has tried
               */
              reading: {
                /**
                 * When a whole list of its tools was read last; null: never
                 */
                read_at: string | null
                /**
                 * Null: the last reading was good
                 */
                failed: {
                  /**
                   * The first failure since then
                   */
                  since: string
                  /**
                   * The last one
                   */
                  at: string
                  /**
                   * `no_token`: none could be had from the connection that asked. `refused`: the server refused it. `no_revision`: it speaks none that Valetkey speaks. `no_list`: it names no tools. `too_long`: it has more than are kept
                   */
                  why:
                    | 'no_token'
                    | 'refused'
                    | 'no_revision'
                    | 'no_list'
                    | 'too_long'
                    | 'upstream_unavailable'
                    | 'upstream_protocol'
                    | 'internal'
                } | null
              } | null
              /**
               * Tools that are new, or changed, cannot be called until an admin has looked at them
               */
              holds_changed: boolean
              present: number
              /**
               * Of those that are present: changed since an admin looked
               */
              changed: number
              /**
               * Of those that are present: no admin has looked at them
               */
              unseen: number
              gone: number
              /**
               * At most 50. First those that changed, then by name; those that are gone are last
               */
              items: {
                name: string
                /**
                 * SHA-256 in hex over title, description, schemas and annotations: what a review names
                 */
                hash: string
                title: string | null
                description: string | null
                /**
                 * JSON Schema; null: it has none, or one that is too long to keep
                 */
                input_schema: {
                  [k: string]: unknown
                }
                output_schema: unknown
                annotations: {
                  [k: string]: unknown
                }
                /**
                 * Something is left out of it
                 */
                is_cut: boolean
                /**
                 * The server’s own mark, which nobody checks
                 */
                read_only: boolean
                /**
                 * The server’s own mark; whoever says nothing may destroy
                 */
                destructive: boolean
                /**
                 * Its name has nothing but letters of ASCII, digits, and . _ - /
                 */
                is_plain: boolean
                /**
                 * Another tool’s name can be taken for it
                 */
                looks_like_another: boolean
                first_seen_at: string
                /**
                 * When it became as it is
                 */
                changed_at: string
                /**
                 * Since then no list of the server has had it
                 */
                gone_at: string | null
                /**
                 * Whether an admin has looked at it, and it has not changed since
                 */
                looked: 'never' | 'changed' | 'current'
                reviewed_by: string | null
                reviewed_at: string | null
                /**
                 * As it was when somebody looked, where it has changed since
                 */
                before: {
                  title: string | null
                  description: string | null
                  /**
                   * JSON Schema; null: it has none, or one that is too long to keep
                   */
                  input_schema: {
                    [k: string]: unknown
                  }
                  output_schema: unknown
                  annotations: {
                    [k: string]: unknown
                  }
                  /**
                   * Something is left out of it
                   */
                  is_cut: boolean
                } | null
                /**
                 * It cannot be called until an admin has looked at it
                 */
                held_back: boolean
                /**
                 * Through the gateway, in the latest 14 days
                 */
                calls: number
                /**
                 * Refused here; none of the calls
                 */
                refused: number
              }[]
              /**
               * What to `skip` for the next ones; null: these are the last
               */
              next: number | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/tools/refresh': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * What it said of itself last; null: it was not asked, or gave no answer
               */
              server: {
                name: string
                title: string | null
                version: string
                /**
                 * Of the Model Context Protocol
                 */
                revision: string
                seen_at: string
              } | null
              /**
               * How the last reading of its list went, also one in the background; null: nobody has tried
               */
              reading: {
                /**
                 * When a whole list of its tools was read last; null: never
                 */
                read_at: string | null
                /**
                 * Null: the last reading was good
                 */
                failed: {
                  /**
                   * The first failure since then
                   */
                  since: string
                  /**
                   * The last one
                   */
                  at: string
                  /**
                   * `no_token`: none could be had from the connection that asked. `refused`: the server refused it. `no_revision`: it speaks none that Valetkey speaks. `no_list`: it names no tools. `too_long`: it has more than are kept
                   */
                  why:
                    | 'no_token'
                    | 'refused'
                    | 'no_revision'
                    | 'no_list'
                    | 'too_long'
                    | 'upstream_unavailable'
                    | 'upstream_protocol'
                    | 'internal'
                } | null
              } | null
              /**
               * Tools that are new, or changed, cannot be called until an admin has looked at them
               */
              holds_changed: boolean
              present: number
              /**
               * Of those that are present: changed since an admin looked
               */
              changed: number
              /**
               * Of those that are present: no admin has looked at them
               */
              unseen: number
              gone: number
              /**
               * At most 50. First those that changed, then by name; those that are gone are last
               */
              items: {
                name: string
                /**
                 * SHA-256 in hex over title, description, schemas and annotations: what a review names
                 */
                hash: string
                title: string | null
                description: string | null
                /**
                 * JSON Schema; null: it has none, or one that is too long to keep
                 */
                input_schema: {
                  [k: string]: unknown
                }
                output_schema: unknown
                annotations: {
                  [k: string]: unknown
                }
                /**
                 * Something is left out of it
                 */
                is_cut: boolean
                /**
                 * The server’s own mark, which nobody checks
                 */
                read_only: boolean
                /**
                 * The server’s own mark; whoever says nothing may destroy
                 */
                destructive: boolean
                /**
                 * Its name has nothing but letters of ASCII, digits, and . _ - /
                 */
                is_plain: boolean
                /**
                 * Another tool’s name can be taken for it
                 */
                looks_like_another: boolean
                first_seen_at: string
                /**
                 * When it became as it is
                 */
                changed_at: string
                /**
                 * Since then no list of the server has had it
                 */
                gone_at: string | null
                /**
                 * Whether an admin has looked at it, and it has not changed since
                 */
                looked: 'never' | 'changed' | 'current'
                reviewed_by: string | null
                reviewed_at: string | null
                /**
                 * As it was when somebody looked, where it has changed since
                 */
                before: {
                  title: string | null
                  description: string | null
                  /**
                   * JSON Schema; null: it has none, or one that is too long to keep
                   */
                  input_schema: {
                    [k: string]: unknown
                  }
                  output_schema: unknown
                  annotations: {
                    [k: string]: unknown
                  }
                  /**
                   * Something is left out of it
                   */
                  is_cut: boolean
                } | null
                /**
                 * It cannot be called until an admin has looked at it
                 */
                held_back: boolean
                /**
                 * Through the gateway, in the latest 14 days
                 */
                calls: number
                /**
                 * Refused here; none of the calls
                 */
                refused: number
              }[]
              /**
               * What to `skip` for the next ones; null: these are the last
               */
              next: number | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/tools/review': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * @minItems 1
             * @maxItems 200
             */
            tools: {
              name: string
              hash: string
            }[]
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * They count as looked at
               */
              reviewed: string[]
              /**
               * They are no longer what was looked at: look once more
               */
              changed: string[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/projects/{project}/use': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          project: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * The latest 14 days in UTC, the oldest first
               */
              days: {
                day: string
                /**
                 * Passed on to the upstream
                 */
                requests: number
                /**
                 * Refused here, by a rule or a limit; none of the requests
                 */
                refused: number
                /**
                 * Of bodies: to the upstream, and back
                 */
                bytes_sent: number
                bytes_received: number
              }[]
              totals: {
                /**
                 * Passed on to the upstream
                 */
                requests: number
                /**
                 * Refused here, by a rule or a limit; none of the requests
                 */
                refused: number
                /**
                 * Of bodies: to the upstream, and back
                 */
                bytes_sent: number
                bytes_received: number
              }
              /**
               * Null: nobody used it
               */
              last_used_at: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/provider-presets': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                kind: string
                name: string
                title: string
                /**
                 * Its host, where that is all in which it differs from others
                 */
                place: string | null
                monogram: string
                keywords: string[]
                variables: {
                  name: string
                  label: string
                  hint: string
                  placeholder: string
                  default: string | null
                }[]
                client_authentication: string
                scopes: {
                  /**
                   * Asked for whatever is chosen
                   */
                  always: string[]
                  known: {
                    name: string
                    text: string
                    risk: 'low' | 'medium' | 'high'
                    suggested: boolean
                  }[]
                  /**
                   * They are chosen where the client is registered, and none is sent
                   */
                  fixed_at_registration: boolean
                }
                registration: {
                  page: string
                  where: string
                  /**
                   * What the field for the redirect URI is called there
                   */
                  redirect_field: string
                  fields: {
                    there: string
                    here: 'client_id' | 'client_secret'
                  }[]
                  notes: string[]
                }
                limited_tokens: {
                  answer: 'yes' | 'no' | 'unknown'
                  reason: string
                }
                revocation: {
                  ends: 'token' | 'grant' | 'both' | 'account' | 'nothing' | 'unknown'
                  text: string
                }
                refresh: {
                  way: 'rotates' | 'stays' | 'none'
                  text: string
                }
                api_bases: {
                  name: string
                  url: string
                }[]
                /**
                 * `read`: in its documentation, not yet tried against the real server
                 */
                evidence: 'tried' | 'read'
                sources: {
                  about: string
                  url: string
                  read: string
                  note: string | null
                }[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/provider-preview': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            kind: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
            /**
             * Of kinds that need nothing else
             */
            issuer?: string
            setup?:
              | {
                  stack?: string
                  issuer?: string
                  authorize_path?: string
                  token_path?: string
                  scope?: string
                  client?: 'confidential' | 'public'
                  league?: 8 | 9
                  /**
                   * Members may also link by the stack’s programmatic auth
                   */
                  programmatic?: boolean
                  /**
                   * Of the client there, where it is another one
                   */
                  programmatic_client_id?: string
                }
              | {
                  preset?: string
                  variables?: {
                    [k: string]: string
                  }
                  issuer?: string
                  authorization_endpoint?: string
                  token_endpoint?: string
                  userinfo_endpoint?: string
                  jwks_uri?: string
                  revocation_endpoint?: string
                  client_authentication?: 'none' | 'basic' | 'post' | 'private_key_jwt'
                  /**
                   * @maxItems 100
                   */
                  scopes?: (
                    | string
                    | {
                        name: string
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }
                  )[]
                  scope_separator?: ' ' | ','
                  authorization_parameters?: {
                    [k: string]: string
                  }
                  token_parameters?: {
                    [k: string]: string
                  }
                  /**
                   * @minItems 1
                   * @maxItems 20
                   */
                  api_bases?: {
                    name: string
                    url: string
                    audience?: string
                  }[]
                  methods_carry_meaning?: boolean
                  certificates?: string
                  internal_origin?: string
                  sender_constrained?: boolean
                  narrowing?: {
                    offered: boolean
                    old_token_survives: boolean | null
                    revoke_keeps_grant: boolean | null
                    full_scope_remains: boolean | null
                  }
                }
              | {
                  issuer: string
                  client_authentication?: 'basic' | 'post' | 'private_key_jwt'
                  /**
                   * @maxItems 100
                   */
                  scopes?: (
                    | string
                    | {
                        name: string
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }
                  )[]
                  offline?: boolean
                  /**
                   * @minItems 1
                   * @maxItems 20
                   */
                  api_bases: {
                    name: string
                    url: string
                    audience?: string
                  }[]
                  /**
                   * @maxItems 50
                   */
                  audiences?: {
                    name: string
                    text: string
                  }[]
                  methods_carry_meaning?: boolean
                  certificates?: string
                  internal_origin?: string
                  sender_constrained?: boolean
                  delegation?: boolean
                }
              | {
                  url: string
                  authorization_server?: string
                  client_id?: string
                  client_secret?: string
                  header_name?: string
                  header_value?: string
                  certificates?: string
                }
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              issuer: string
              redirect_uri: string
              /**
               * By their names in RFC 8414
               */
              endpoints: {
                name: string
                url: string
              }[]
              /**
               * How the client proves itself; null where its kind does not say
               */
              authentication: string | null
              /**
               * What the client proves itself by; a key is made with the provider
               */
              client_authentication: 'secret' | 'key' | 'nothing'
              /**
               * Asked for in every link
               */
              scopes: string[]
              api_bases: {
                name: string
                url: string
              }[]
              certificates: {
                subject: string
                expires_at: string
              }[]
              /**
               * Of an MCP server
               */
              mcp: {
                /**
                 * How the server is told who calls
                 */
                by: 'oauth' | 'header' | 'nothing'
                /**
                 * How our client comes to be known; one that registers does so when the provider is made
                 */
                registration: ('given' | 'metadata_document' | 'dynamic') | null
                /**
                 * Whose tokens it takes, the one in use first
                 */
                authorization_servers: string[]
                /**
                 * What the server calls itself
                 */
                title: string | null
              } | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/providers': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                kind: string
                name: string
                issuer: string
                /**
                 * Empty for who does not oversee the tenant
                 */
                client_id: string
                has_secret: boolean
                /**
                 * A secret or key from before the last change is still accepted beside the current one
                 */
                has_previous_secret: boolean
                /**
                 * What the client proves itself by; null: its settings cannot be read
                 */
                client_authentication: ('secret' | 'key' | 'nothing') | null
                redirect_uri: string
                max_lifetime_seconds: number | null
                /**
                 * What becomes of a token that its upstream lets live longer; null: the tenant's policy says so
                 */
                over_life: ('refuse' | 'revoke_at_end') | null
                /**
                 * Whom members may become upstream; empty for who does not oversee the tenant
                 */
                impersonation: {
                  member: string
                  usernames: string[]
                }[]
                /**
                 * Those that may be changed, as the kind names them
                 */
                settings: {
                  [k: string]: unknown
                }
                /**
                 * Its settings cannot be read here: nothing is linked, renewed or issued with it
                 */
                misconfigured: boolean
                /**
                 * Ways to link beside the ordinary one, each with one grant for several projects
                 */
                flows: {
                  name: string
                  title: string
                  hint: string
                  revokes_grants: boolean
                }[]
                /**
                 * Whether it can be found out what its upstream does with smaller tokens
                 */
                can_probe: boolean
                facts: {
                  label: string
                  lines: {
                    text: string
                    form: 'words' | 'code' | 'copy'
                    note: string | null
                    /**
                     * Something has to be done about it
                     */
                    attention: boolean
                  }[]
                }[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            kind: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
            name: string
            /**
             * Its address alone, like https://connection.example.com; of kinds that need nothing else
             */
            issuer?: string
            /**
             * Left out where there is no upstream
             */
            client_id?: string
            /**
             * Left out for a public client, and where the client signs with a key that is made here
             */
            client_secret?: string
            setup?:
              | {
                  stack?: string
                  issuer?: string
                  authorize_path?: string
                  token_path?: string
                  scope?: string
                  client?: 'confidential' | 'public'
                  league?: 8 | 9
                  /**
                   * Members may also link by the stack’s programmatic auth
                   */
                  programmatic?: boolean
                  /**
                   * Of the client there, where it is another one
                   */
                  programmatic_client_id?: string
                }
              | {
                  preset?: string
                  variables?: {
                    [k: string]: string
                  }
                  issuer?: string
                  authorization_endpoint?: string
                  token_endpoint?: string
                  userinfo_endpoint?: string
                  jwks_uri?: string
                  revocation_endpoint?: string
                  client_authentication?: 'none' | 'basic' | 'post' | 'private_key_jwt'
                  /**
                   * @maxItems 100
                   */
                  scopes?: (
                    | string
                    | {
                        name: string
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }
                  )[]
                  scope_separator?: ' ' | ','
                  authorization_parameters?: {
                    [k: string]: string
                  }
                  token_parameters?: {
                    [k: string]: string
                  }
                  /**
                   * @minItems 1
                   * @maxItems 20
                   */
                  api_bases?: {
                    name: string
                    url: string
                    audience?: string
                  }[]
                  methods_carry_meaning?: boolean
                  certificates?: string
                  internal_origin?: string
                  sender_constrained?: boolean
                  narrowing?: {
                    offered: boolean
                    old_token_survives: boolean | null
                    revoke_keeps_grant: boolean | null
                    full_scope_remains: boolean | null
                  }
                }
              | {
                  issuer: string
                  client_authentication?: 'basic' | 'post' | 'private_key_jwt'
                  /**
                   * @maxItems 100
                   */
                  scopes?: (
                    | string
                    | {
                        name: string
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }
                  )[]
                  offline?: boolean
                  /**
                   * @minItems 1
                   * @maxItems 20
                   */
                  api_bases: {
                    name: string
                    url: string
                    audience?: string
                  }[]
                  /**
                   * @maxItems 50
                   */
                  audiences?: {
                    name: string
                    text: string
                  }[]
                  methods_carry_meaning?: boolean
                  certificates?: string
                  internal_origin?: string
                  sender_constrained?: boolean
                  delegation?: boolean
                }
              | {
                  url: string
                  authorization_server?: string
                  client_id?: string
                  client_secret?: string
                  header_name?: string
                  header_value?: string
                  certificates?: string
                }
            max_lifetime_seconds?: number
            over_life?: 'refuse' | 'revoke_at_end'
            settings?:
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                  allow_manage_tokens?: boolean
                  allow_pasted_tokens?: boolean
                  programmatic?: boolean
                  allow_writing_children?: boolean
                }
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                }
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                  exchange?: boolean
                  delegation?: boolean
                }
              | {
                  hold_changed_tools?: boolean
                }
              | {}
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              kind: string
              name: string
              issuer: string
              /**
               * Empty for who does not oversee the tenant
               */
              client_id: string
              has_secret: boolean
              /**
               * A secret or key from before the last change is still accepted beside the current one
               */
              has_previous_secret: boolean
              /**
               * What the client proves itself by; null: its settings cannot be read
               */
              client_authentication: ('secret' | 'key' | 'nothing') | null
              redirect_uri: string
              max_lifetime_seconds: number | null
              /**
               * What becomes of a token that its upstream lets live longer; null: the tenant's policy says so
               */
              over_life: ('refuse' | 'revoke_at_end') | null
              /**
               * Whom members may become upstream; empty for who does not oversee the tenant
               */
              impersonation: {
                member: string
                usernames: string[]
              }[]
              /**
               * Those that may be changed, as the kind names them
               */
              settings: {
                [k: string]: unknown
              }
              /**
               * Its settings cannot be read here: nothing is linked, renewed or issued with it
               */
              misconfigured: boolean
              /**
               * Ways to link beside the ordinary one, each with one grant for several projects
               */
              flows: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether it can be found out what its upstream does with smaller tokens
               */
              can_probe: boolean
              facts: {
                label: string
                lines: {
                  text: string
                  form: 'words' | 'code' | 'copy'
                  note: string | null
                  /**
                   * Something has to be done about it
                   */
                  attention: boolean
                }[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/providers/{provider}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          provider: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          provider: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name?: string
            client_id?: string
            /**
             * Tried at the upstream first. The one before still counts until it is dropped
             */
            client_secret?: string
            /**
             * Of a client that signs: makes another key, and publishes both
             */
            rotate_client_key?: true
            /**
             * Forgets the secret or key of before
             */
            drop_previous_secret?: true
            /**
             * Null: no cap of its own
             */
            max_lifetime_seconds?: number | null
            /**
             * Whether a token that its upstream lets live longer is refused, or handed out and revoked at the asked end
             */
            over_life?: ('refuse' | 'revoke_at_end') | null
            impersonation?:
              | {
                  member: string
                  /**
                   * @minItems 1
                   * @maxItems 50
                   */
                  usernames: string[]
                }[]
              | null
            settings?:
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                  allow_manage_tokens?: boolean
                  allow_pasted_tokens?: boolean
                  programmatic?: boolean
                  allow_writing_children?: boolean
                }
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                }
              | {
                  refresh_token_days?: number
                  refresh_grace_seconds?: number
                  exchange?: boolean
                  delegation?: boolean
                }
              | {
                  hold_changed_tools?: boolean
                }
              | {}
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              kind: string
              name: string
              issuer: string
              /**
               * Empty for who does not oversee the tenant
               */
              client_id: string
              has_secret: boolean
              /**
               * A secret or key from before the last change is still accepted beside the current one
               */
              has_previous_secret: boolean
              /**
               * What the client proves itself by; null: its settings cannot be read
               */
              client_authentication: ('secret' | 'key' | 'nothing') | null
              redirect_uri: string
              max_lifetime_seconds: number | null
              /**
               * What becomes of a token that its upstream lets live longer; null: the tenant's policy says so
               */
              over_life: ('refuse' | 'revoke_at_end') | null
              /**
               * Whom members may become upstream; empty for who does not oversee the tenant
               */
              impersonation: {
                member: string
                usernames: string[]
              }[]
              /**
               * Those that may be changed, as the kind names them
               */
              settings: {
                [k: string]: unknown
              }
              /**
               * Its settings cannot be read here: nothing is linked, renewed or issued with it
               */
              misconfigured: boolean
              /**
               * Ways to link beside the ordinary one, each with one grant for several projects
               */
              flows: {
                name: string
                title: string
                hint: string
                revokes_grants: boolean
              }[]
              /**
               * Whether it can be found out what its upstream does with smaller tokens
               */
              can_probe: boolean
              facts: {
                label: string
                lines: {
                  text: string
                  form: 'words' | 'code' | 'copy'
                  note: string | null
                  /**
                   * Something has to be done about it
                   */
                  attention: boolean
                }[]
              }[]
              /**
               * How the upstream took a new secret; null: none was given. `untold`: it could not be told
               */
              secret_trial: ('known' | 'untold') | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/providers/{provider}/check': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          provider: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * Null: it was never checked
               */
              checked_at: string | null
              /**
               * Who asked for it; null: the daily check
               */
              checked_by: string | null
              lines: {
                id: string
                title: string
                state: 'ok' | 'attention' | 'failed' | 'unknown'
                seen: string
                /**
                 * What to do; null: nothing
                 */
                next: string | null
                /**
                 * Lines for a shell that do it, to be copied
                 */
                commands: string[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          provider: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * Null: it was never checked
               */
              checked_at: string | null
              /**
               * Who asked for it; null: the daily check
               */
              checked_by: string | null
              lines: {
                id: string
                title: string
                state: 'ok' | 'attention' | 'failed' | 'unknown'
                seen: string
                /**
                 * What to do; null: nothing
                 */
                next: string | null
                /**
                 * Lines for a shell that do it, to be copied
                 */
                commands: string[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/providers/{provider}/probe': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          provider: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              offered: boolean
              old_token_stays: boolean | null
              revoke_keeps_grant: boolean | null
              scopes_stay: boolean | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/requests': {
    get: {
      parameters: {
        query?: {
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          provider?: string
          client?: string
          /**
           * `link`: a person has begun it; `ask`: a program asks a person to link; `device`, `app`: a program wants to be let in
           */
          request?: 'link' | 'ask' | 'device' | 'app'
          /**
           * `next` of the page before
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                /**
                 * `link`: a person has begun it; `ask`: a program asks a person to link; `device`, `app`: a program wants to be let in
                 */
                kind: 'link' | 'ask' | 'device' | 'app'
                /**
                 * Whom it waits for, or who began it; null: nobody has typed its code yet
                 */
                owner_id: string | null
                /**
                 * Of a link
                 */
                provider: {
                  id: string
                  name: string
                } | null
                /**
                 * That a program asks its person to link
                 */
                project: {
                  id: string
                  name: string
                } | null
                /**
                 * The program that asks, or is to be let in
                 */
                client: {
                  id: string
                  name: string
                } | null
                /**
                 * A person has allowed it, and its program has not fetched what it got
                 */
                approved: boolean
                /**
                 * Of the program, as it began
                 */
                address: string | null
                created_at: string
                expires_at: string
              }[]
              /**
               * How many match, on all pages, counted up to 1000 only
               */
              total: number
              /**
               * Whether there are more than were counted
               */
              total_is_capped: boolean
              /**
               * What to ask the next page `before`; null: this is the last
               */
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocation-acts': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * `sessions` and `requests` for who administers: sessions of members, of which the one that asks is none
             */
            kind: 'tokens' | 'connections' | 'grants' | 'sessions' | 'requests'
            /**
             * Of connections: those in this state alone; of grants: only `frozen`
             */
            status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen'
            /**
             * Of grants, of tokens that were issued through one, and of requests
             */
            client?: string
            /**
             * Of tokens: how they were made
             */
            strategy?: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
            /**
             * Of grants: `device`: the instance's own program; everything else is an app
             */
            program?: 'device' | 'app'
            /**
             * Of requests
             */
            request?: 'link' | 'ask' | 'device' | 'app'
            /**
             * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
             */
            search?: string
            owner?: string
            project?: string
            provider?: string
            /**
             * Kind of the provider
             */
            provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
            /**
             * Made, or linked last, at this moment or before
             */
            made_before?: string
            /**
             * Last used before this moment; `unknown`: nobody told of a use
             */
            used_before?: string | 'unknown'
            /**
             * Ends before this moment, if nothing renews it; `unknown`: no end is known
             */
            ends_before?: string | 'unknown'
            /**
             * Ends at this moment or later, or no end is known
             */
            ends_after?: string
            /**
             * Of the preview: what was made since is not touched
             */
            as_of: string
            /**
             * How many the preview counted
             */
            count: number
            reason?: string
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              act: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocation-acts/{revocation_act}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          revocation_act: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              /**
               * `held`: everything of one person
               */
              kind: 'held' | 'tokens' | 'connections' | 'grants' | 'sessions' | 'requests'
              by: string
              /**
               * Whose things, for `held`
               */
              user_id: string | null
              reason: string | null
              created_at: string
              /**
               * What it found when it was made
               */
              counts: {
                sessions: number
                connections: number
                grants: number
                tokens: number
                requests: number
              }
              total: number
              /**
               * How many of them are marked as revoked by now
               */
              ended: number
              /**
               * Since when all of it is blocked here; null: it goes on
               */
              blocked_at: string | null
              upstream: {
                pending: number
                done: number
                confirmed: number
                failed: number
                impossible: number
              }
              /**
               * When the last of what is confirmed was seen to be refused there
               */
              proved_at: string | null
              /**
               * Null: nothing of it can work any more
               */
              latest_moment: (string | 'unknown') | null
              /**
               * Since when nothing of it is pending at an upstream
               */
              settled_at: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocation-acts/{revocation_act}/receipts': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          revocation_act: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/jose': string
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocations': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                /**
                 * `orphans`: whatever a cut-off issue may have left upstream
                 */
                kind: 'token' | 'grant' | 'orphans'
                token_id: string | null
                fingerprint: string | null
                connection_id: string
                owner_id: string | null
                /**
                 * Its name
                 */
                project: string | null
                state: 'pending' | 'failed'
                tries: number
                last_error: string | null
                next_try_at: string | null
                created_at: string
                latest_moment: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: {
          'Idempotency-Key'?: string
        }
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * @maxItems 500
             */
            tokens?: string[]
            /**
             * @maxItems 500
             */
            connections?: string[]
            /**
             * What a person gave a program; with the tokens that were issued through it
             *
             * @maxItems 500
             */
            grants?: string[]
            /**
             * Of members, for who administers: this tenant refuses them. Never the one that asks
             *
             * @maxItems 500
             */
            sessions?: string[]
            /**
             * What is open, for who administers: whoever answers, fetches or comes back is refused
             *
             * @maxItems 500
             */
            requests?: string[]
            reason?: string
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                kind: 'token' | 'connection' | 'grant' | 'session' | 'request'
                id: string
                /**
                 * It was revoked before; nothing was done now
                 */
                already: boolean
                /**
                 * It had ended by itself, or never came to be: nothing was left to revoke
                 */
                over: boolean
                blocked_here: true
                /**
                 * Null: nothing is left to do there
                 */
                upstream: ('pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none') | null
                last_error: string | null
                /**
                 * The latest moment it could still work; null: it is over, seen to be refused or past its end
                 */
                latest_moment: (string | 'unknown') | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocations/preview': {
    get: {
      parameters: {
        query: {
          /**
           * `sessions` and `requests` for who administers: sessions of members, of which the one that asks is none
           */
          kind: 'tokens' | 'connections' | 'grants' | 'sessions' | 'requests'
          /**
           * Of connections: those in this state alone; of grants: only `frozen`
           */
          status?: 'linked' | 'degraded' | 'uncertain' | 'needs_relink' | 'frozen'
          /**
           * Of grants, of tokens that were issued through one, and of requests
           */
          client?: string
          /**
           * Of tokens: how they were made
           */
          strategy?: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
          /**
           * Of grants: `device`: the instance's own program; everything else is an app
           */
          program?: 'device' | 'app'
          /**
           * Of requests
           */
          request?: 'link' | 'ask' | 'device' | 'app'
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          project?: string
          provider?: string
          /**
           * Kind of the provider
           */
          provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
          /**
           * Made, or linked last, at this moment or before
           */
          made_before?: string
          /**
           * Last used before this moment; `unknown`: nobody told of a use
           */
          used_before?: string | 'unknown'
          /**
           * Ends before this moment, if nothing renews it; `unknown`: no end is known
           */
          ends_before?: string | 'unknown'
          /**
           * Ends at this moment or later, or no end is known
           */
          ends_after?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              as_of: string
              count: number
              /**
               * Living tokens: those that match, or that were made from the connections or through the grants that do
               */
              tokens: number
              /**
               * How many of those that match are known to have been used within the last day; null: of this kind it is not told
               */
              used_lately: number | null
              /**
               * The twenty who own most, and how many people own any
               */
              owners: {
                owner_id: string
                name: string | null
                count: number
              }[]
              owner_count: number
              /**
               * The same within the last hour
               */
              used_in_hour: number | null
              /**
               * The twenty of most: of tokens; of what connections reach; for grants of the tokens that were issued through them
               */
              projects: {
                project_id: string
                name: string
                count: number
              }[]
              project_count: number
              /**
               * What ends by provider, and what can be done about it there
               */
              upstreams: {
                provider_id: string
                name: string
                what: 'tokens' | 'connections'
                /**
                 * `here`: it works through Valetkey, which refuses it at once; `upstream`: its upstream is asked to end it, at once; `at_end`: it works there until it expires; `copy`: the upstream cannot end it, and only the copy that is stored here is destroyed
                 */
                effect: 'here' | 'upstream' | 'at_end' | 'copy'
                count: number
                /**
                 * When the last of the tokens expires
                 */
                latest: string | null
              }[]
              breaks: {
                /**
                 * Connections that are renewed no more
                 */
                connections: number
                /**
                 * APIs of the tenant’s own that refuse callers
                 */
                audiences: string[]
              }
              /**
               * Of sessions: the one that asks matches as well, and stays
               */
              keeps_session: boolean
              /**
               * For who administers: webhooks that are on and that the owners of what ends have made. They go on, and tell of this tenant
               */
              webhooks: {
                webhook_id: string
                host: string
                owner_id: string
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocations/retry': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              retried: number
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocations/{revocation}/record': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          revocation: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            reason: string
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/revocations/{revocation}/retry': {
    post: {
      parameters: {
        query?: never
        header?: {
          'Idempotency-Key'?: string
        }
        path: {
          tenant: string
          revocation: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/sessions': {
    get: {
      parameters: {
        query?: {
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          /**
           * Made, or linked last, at this moment or before
           */
          made_before?: string
          /**
           * Ends before this moment, if nothing renews it; `unknown`: no end is known
           */
          ends_before?: string | 'unknown'
          /**
           * Ends at this moment or later, or no end is known
           */
          ends_after?: string
          /**
           * Left out: newest first. `ends`: what ends soonest first
           */
          sort?: 'newest' | 'ends'
          /**
           * `next` of the page before, in the same order
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                owner_id: string
                agent: string | null
                created_at: string
                expires_at: string
                /**
                 * The one that asks
                 */
                current: boolean
              }[]
              /**
               * How many match, on all pages, counted up to 1000 only
               */
              total: number
              /**
               * Whether there are more than were counted
               */
              total_is_capped: boolean
              /**
               * What to ask the next page `before`; null: this is the last
               */
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/tokens': {
    get: {
      parameters: {
        query?: {
          /**
           * How a purpose or the name of an account begins, a fingerprint or its first digits, an id here or upstream, a part of the name or e-mail of a person, of a program for grants and requests, of a browser for sessions
           */
          search?: string
          owner?: string
          project?: string
          provider?: string
          /**
           * Kind of the provider
           */
          provider_kind?: 'keboola' | 'oauth' | 'keycloak' | 'mcp' | 'own'
          /**
           * Made, or linked last, at this moment or before
           */
          made_before?: string
          /**
           * Last used before this moment; `unknown`: nobody told of a use
           */
          used_before?: string | 'unknown'
          /**
           * Ends before this moment, if nothing renews it; `unknown`: no end is known
           */
          ends_before?: string | 'unknown'
          /**
           * Ends at this moment or later, or no end is known
           */
          ends_after?: string
          state?: 'live' | 'ended' | 'revoked' | 'failed'
          /**
           * Issued through this program, or by this grant
           */
          client?: string
          grant?: string
          /**
           * How a token was made
           */
          strategy?: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
          everybody?: '1'
          /**
           * Left out: newest first. `ends`: what ends soonest first; `used`: what was used last first; both for a state in which things still live
           */
          sort?: 'newest' | 'ends' | 'used'
          /**
           * `next` of the page before, in the same order
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                fingerprint: string | null
                owner_id: string
                project: {
                  id: string
                  name: string
                  alias: string
                }
                provider: {
                  id: string
                  name: string
                  kind: string
                }
                /**
                 * Null: it needs none
                 */
                connection_id: string | null
                /**
                 * The program that asked for it with what its owner gave it; null: they asked themselves
                 */
                program: {
                  client_id: string
                  name: string
                  grant_id: string | null
                } | null
                purpose: string
                strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
                state: 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'
                /**
                 * Verified without Valetkey, by its signature: whatever is done here, it works until it expires
                 */
                offline: boolean
                frozen: {
                  /**
                   * Of what is frozen; `membership`: the owner is suspended
                   */
                  kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                  /**
                   * Told to who oversees the tenant
                   */
                  by: string | null
                  at: string | null
                  reason: string | null
                  until: string | null
                } | null
                /**
                 * Thumbprint of the key that it is bound to; null: it is taken from whoever brings it
                 */
                dpop_jkt: string | null
                asked: {
                  [k: string]: unknown
                }
                /**
                 * From what came back, never from what was sent
                 */
                granted: {
                  [k: string]: unknown
                } | null
                /**
                 * Both for people
                 */
                rights: {
                  asked: {
                    text: string
                    risk: 'low' | 'medium' | 'high'
                  }[]
                  granted:
                    | {
                        text: string
                        risk: 'low' | 'medium' | 'high'
                      }[]
                    | null
                }
                /**
                 * Rights that were asked and not granted, in words
                 */
                not_granted: string[]
                failure: string | null
                created_at: string
                /**
                 * At the upstream
                 */
                expires_at: string
                /**
                 * When it is revoked here, where the upstream gave it a longer life than was asked
                 */
                revoke_at: string | null
                /**
                 * No other token of its connection can be made while it lives
                 */
                exclusive: boolean
                /**
                 * Null: not reported
                 */
                last_used_at: string | null
                revoked_by: string | null
                revocation: {
                  blocked_at: string
                  upstream: 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none'
                  /**
                   * When the upstream was seen to refuse it, asked again after it was revoked
                   */
                  proved_at: string | null
                  last_error: string | null
                  tries: number
                  next_try_at: string | null
                  /**
                   * Null once the upstream was seen to refuse it, and no API may check it by its signature alone
                   */
                  latest_moment: (string | 'unknown') | null
                } | null
              }[]
              /**
               * How many match, on all pages, counted up to 1000 only
               */
              total: number
              /**
               * Whether there are more than were counted
               */
              total_is_capped: boolean
              /**
               * What to ask the next page `before`; null: this is the last
               */
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/tokens/{token}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          token: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              fingerprint: string | null
              owner_id: string
              project: {
                id: string
                name: string
                alias: string
              }
              provider: {
                id: string
                name: string
                kind: string
              }
              /**
               * Null: it needs none
               */
              connection_id: string | null
              /**
               * The program that asked for it with what its owner gave it; null: they asked themselves
               */
              program: {
                client_id: string
                name: string
                grant_id: string | null
              } | null
              purpose: string
              strategy: 'mint' | 'exchange' | 'narrow' | 'proxy' | 'sign'
              state: 'issuing' | 'live' | 'ended' | 'revoked' | 'failed'
              /**
               * Verified without Valetkey, by its signature: whatever is done here, it works until it expires
               */
              offline: boolean
              frozen: {
                /**
                 * Of what is frozen; `membership`: the owner is suspended
                 */
                kind: 'member' | 'project' | 'provider' | 'connection' | 'client' | 'grant' | 'membership'
                /**
                 * Told to who oversees the tenant
                 */
                by: string | null
                at: string | null
                reason: string | null
                until: string | null
              } | null
              /**
               * Thumbprint of the key that it is bound to; null: it is taken from whoever brings it
               */
              dpop_jkt: string | null
              asked: {
                [k: string]: unknown
              }
              /**
               * From what came back, never from what was sent
               */
              granted: {
                [k: string]: unknown
              } | null
              /**
               * Both for people
               */
              rights: {
                asked: {
                  text: string
                  risk: 'low' | 'medium' | 'high'
                }[]
                granted:
                  | {
                      text: string
                      risk: 'low' | 'medium' | 'high'
                    }[]
                  | null
              }
              /**
               * Rights that were asked and not granted, in words
               */
              not_granted: string[]
              failure: string | null
              created_at: string
              /**
               * At the upstream
               */
              expires_at: string
              /**
               * When it is revoked here, where the upstream gave it a longer life than was asked
               */
              revoke_at: string | null
              /**
               * No other token of its connection can be made while it lives
               */
              exclusive: boolean
              /**
               * Null: not reported
               */
              last_used_at: string | null
              revoked_by: string | null
              revocation: {
                blocked_at: string
                upstream: 'pending' | 'done' | 'confirmed' | 'failed' | 'impossible' | 'none'
                /**
                 * When the upstream was seen to refuse it, asked again after it was revoked
                 */
                proved_at: string | null
                last_error: string | null
                tries: number
                next_try_at: string | null
                /**
                 * Null once the upstream was seen to refuse it, and no API may check it by its signature alone
                 */
                latest_moment: (string | 'unknown') | null
              } | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/tokens/{token}/last-use': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          token: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              last_used_at: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/tokens/{token}/use': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          token: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              /**
               * The latest 14 days in UTC, the oldest first
               */
              days: {
                day: string
                /**
                 * Passed on to the upstream
                 */
                requests: number
                /**
                 * Refused here, by a rule or a limit; none of the requests
                 */
                refused: number
                /**
                 * Of bodies: to the upstream, and back
                 */
                bytes_sent: number
                bytes_received: number
              }[]
              totals: {
                /**
                 * Passed on to the upstream
                 */
                requests: number
                /**
                 * Refused here, by a rule or a limit; none of the requests
                 */
                refused: number
                /**
                 * Of bodies: to the upstream, and back
                 */
                bytes_sent: number
                bytes_received: number
              }
              /**
               * Null: nobody used it
               */
              last_used_at: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/trusted-issuers': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                issuer: string
                name: string
                /**
                 * What a token must be for
                 */
                audience: string
                /**
                 * Our client there, by which the issuer is asked about each token, once a minute at most; null: signatures alone count
                 */
                client_id: string | null
                /**
                 * Tokens that name no issuer are asked about here
                 */
                opaque: boolean
                created_by: string
                created_at: string
                /**
                 * Active members whose identity has this issuer. Nobody else gets in by it
                 */
                members: number
                clients: {
                  id: string
                  /**
                   * What the issuer calls it: `client_id` or `azp` in its tokens
                   */
                  client_id: string
                  name: string
                  /**
                   * What it may do here for the member whose token it brings; none: nothing. The scopes in the token play no part
                   */
                  scopes: (
                    | 'projects:read'
                    | 'connections:manage'
                    | 'tokens:issue'
                    | 'tokens:revoke'
                    | 'tenant:read'
                    | 'tenant:manage'
                    | 'audit:read'
                  )[]
                  created_by: string
                  created_at: string
                }[]
                refusals: {
                  reason:
                    | 'malformed'
                    | 'algorithm'
                    | 'unknown_key'
                    | 'signature'
                    | 'issuer'
                    | 'times'
                    | 'expired'
                    | 'not_yet_valid'
                    | 'not_an_access_token'
                    | 'audience'
                    | 'client_missing'
                    | 'client_not_listed'
                    | 'subject'
                    | 'bound_to_a_key'
                    | 'on_behalf'
                    | 'inactive'
                    | 'not_a_member'
                  /**
                   * Of a token that the issuer vouched for: the client that it named
                   */
                  client_id: string | null
                  at: string
                }[]
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            /**
             * Exactly as its metadata and its tokens name it. Keys and endpoints are read from its metadata
             */
            issuer: string
            name: string
            /**
             * The origin of this instance unless it is said: that, an address below it, or the client that people sign in with
             */
            audience?: string
            /**
             * A client there by which it is asked about tokens
             */
            client_id?: string
            client_secret?: string
            /**
             * Ask it about tokens that name no issuer; of one issuer in a tenant
             */
            opaque?: boolean
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              issuer: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          trusted_issuer: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          trusted_issuer: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name?: string
            audience?: string
            /**
             * Null: it is asked no more
             */
            client_id?: string | null
            client_secret?: string
            opaque?: boolean
          }
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          trusted_issuer: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            client_id: string
            name: string
            /**
             * @maxItems 7
             */
            scopes: (
              | 'projects:read'
              | 'connections:manage'
              | 'tokens:issue'
              | 'tokens:revoke'
              | 'tenant:read'
              | 'tenant:manage'
              | 'audit:read'
            )[]
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              id: string
              /**
               * What the issuer calls it: `client_id` or `azp` in its tokens
               */
              client_id: string
              name: string
              /**
               * What it may do here for the member whose token it brings; none: nothing. The scopes in the token play no part
               */
              scopes: (
                | 'projects:read'
                | 'connections:manage'
                | 'tokens:issue'
                | 'tokens:revoke'
                | 'tenant:read'
                | 'tenant:manage'
                | 'audit:read'
              )[]
              created_by: string
              created_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/trusted-issuers/{trusted_issuer}/clients/{trusted_client}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          trusted_issuer: string
          trusted_client: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          trusted_issuer: string
          trusted_client: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            name?: string
            /**
             * @maxItems 7
             */
            scopes?: (
              | 'projects:read'
              | 'connections:manage'
              | 'tokens:issue'
              | 'tokens:revoke'
              | 'tenant:read'
              | 'tenant:manage'
              | 'audit:read'
            )[]
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              /**
               * What the issuer calls it: `client_id` or `azp` in its tokens
               */
              client_id: string
              name: string
              /**
               * What it may do here for the member whose token it brings; none: nothing. The scopes in the token play no part
               */
              scopes: (
                | 'projects:read'
                | 'connections:manage'
                | 'tokens:issue'
                | 'tokens:revoke'
                | 'tenant:read'
                | 'tenant:manage'
                | 'audit:read'
              )[]
              created_by: string
              created_at: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                url: string
                enabled: boolean
                /**
                 * Why it was switched off automatically
                 */
                disabled_cause: ('gone' | 'failing') | null
                created_by: string
                /**
                 * Whoever made it administers no more: an admin should take it over
                 */
                orphaned: boolean
                created_at: string
                last_success_at: string | null
                last_failure_at: string | null
                /**
                 * Of the first failure since the last success
                 */
                failing_since: string | null
                /**
                 * Until when messages carry a second signature, by the key before the last rotation
                 */
                previous_until: string | null
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            url: string
          }
        }
      }
      responses: {
        201: {
          content: {
            'application/json': {
              webhook: {
                id: string
                url: string
                enabled: boolean
                /**
                 * Why it was switched off automatically
                 */
                disabled_cause: ('gone' | 'failing') | null
                created_by: string
                /**
                 * Whoever made it administers no more: an admin should take it over
                 */
                orphaned: boolean
                created_at: string
                last_success_at: string | null
                last_failure_at: string | null
                /**
                 * Of the first failure since the last success
                 */
                failing_since: string | null
                /**
                 * Until when messages carry a second signature, by the key before the last rotation
                 */
                previous_until: string | null
              }
              secret: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks/{webhook}': {
    delete: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          webhook: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
    patch: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          webhook: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {
            url?: string
            enabled?: boolean
            owner?: 'me'
          }
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              url: string
              enabled: boolean
              /**
               * Why it was switched off automatically
               */
              disabled_cause: ('gone' | 'failing') | null
              created_by: string
              /**
               * Whoever made it administers no more: an admin should take it over
               */
              orphaned: boolean
              created_at: string
              last_success_at: string | null
              last_failure_at: string | null
              /**
               * Of the first failure since the last success
               */
              failing_since: string | null
              /**
               * Until when messages carry a second signature, by the key before the last rotation
               */
              previous_until: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries': {
    get: {
      parameters: {
        query?: {
          /**
           * `next` of the page before
           */
          before?: string
        }
        header?: never
        path: {
          tenant: string
          webhook: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              items: {
                id: string
                kind: string
                state: 'pending' | 'delivered' | 'failed'
                tries: number
                next_try_at: string | null
                /**
                 * HTTP status of the last answer
                 */
                last_status: number | null
                /**
                 * not_reached, no_answer, unreadable, http_<status>, webhook_off, interrupted
                 */
                last_error: string | null
                created_at: string
                finished_at: string | null
              }[]
              next: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks/{webhook}/deliveries/{delivery}/retry': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          webhook: string
          delivery: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        204: {
          content?: never
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks/{webhook}/secret': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          webhook: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              webhook: {
                id: string
                url: string
                enabled: boolean
                /**
                 * Why it was switched off automatically
                 */
                disabled_cause: ('gone' | 'failing') | null
                created_by: string
                /**
                 * Whoever made it administers no more: an admin should take it over
                 */
                orphaned: boolean
                created_at: string
                last_success_at: string | null
                last_failure_at: string | null
                /**
                 * Of the first failure since the last success
                 */
                failing_since: string | null
                /**
                 * Until when messages carry a second signature, by the key before the last rotation
                 */
                previous_until: string | null
              }
              secret: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/api/v1/tenants/{tenant}/webhooks/{webhook}/test': {
    post: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
          webhook: string
        }
        cookie?: never
      }
      requestBody: {
        content: {
          'application/json': {}
        }
      }
      responses: {
        200: {
          content: {
            'application/json': {
              id: string
              kind: string
              state: 'pending' | 'delivered' | 'failed'
              tries: number
              next_try_at: string | null
              /**
               * HTTP status of the last answer
               */
              last_status: number | null
              /**
               * not_reached, no_answer, unreadable, http_<status>, webhook_off, interrupted
               */
              last_error: string | null
              created_at: string
              finished_at: string | null
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/oauth/client/{provider}': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          provider: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              client_id: string
              client_name: string
              client_uri: string
              redirect_uris: string[]
              grant_types: string[]
              response_types: string[]
              token_endpoint_auth_method: 'none' | 'private_key_jwt'
              token_endpoint_auth_signing_alg?: string
              jwks_uri?: string
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/oauth/client/{provider}/jwks.json': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          provider: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              keys: {
                [k: string]: unknown
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
  '/t/{tenant}/jwks.json': {
    get: {
      parameters: {
        query?: never
        header?: never
        path: {
          tenant: string
        }
        cookie?: never
      }
      requestBody?: never
      responses: {
        200: {
          content: {
            'application/json': {
              keys: {
                kty: 'EC'
                crv: 'P-256'
                x: string
                y: string
                kid: string
                alg: 'ES256'
                use: 'sig'
              }[]
            }
          }
        }
        default: {
          content: {
            'application/problem+json': Problem
          }
        }
      }
    }
  }
}
