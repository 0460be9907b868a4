// Written by `npm run client:generate`. Do not edit.

export interface Problem {
  type: string
  title: string
  status: number
  detail?: string
  code: string
  next: string
  request_id: string
  fields?: {
    [k: string]: string
  }
}

export interface Paths {
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
}
