import { expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import type { AuditEvent } from '../../lib/audit/catalogue.ts'
import { type Operation, operation } from '../../lib/http/operation.ts'
import { instant, instantGiven, instantOrNull, object } from '../../lib/http/wire/schemas.ts'
import { type Named, namedBy, type View, wireOf } from '../../lib/http/wire/view.ts'
import { operations } from '../../lib/http/wire.ts'

const thing = object({
  owner_id: z.string(),
  made_at: instant,
  last_used_at: instantOrNull,
  latest_moment: z.union([instant, z.literal('unknown')]).nullable(),
  next_try: object({ try_count: z.int() }).nullable(),
  parts: z.array(object({ part_name: z.string() })),
  rights: z.record(z.string(), z.enum(['read', 'write'])),
  left_out: z.int().optional(),
})
const at = new Date('2026-11-28T20:00:00.000Z')
const view: View<typeof thing> = {
  ownerId: 'usr_1',
  madeAt: at,
  lastUsedAt: null,
  latestMoment: at,
  nextTry: { tryCount: 2 },
  parts: [{ partName: 'a' }],
  rights: { 'in.c_under_scores': 'read' },
  leftOut: undefined,
}

test('a view has the wire’s names and moments, at every depth, and what is keyed by people’s names keeps them', () => {
  const wire = wireOf(thing)(view)
  expect(thing.parse(wire)).toEqual({
    owner_id: 'usr_1',
    made_at: '2026-11-28T20:00:00.000Z',
    last_used_at: null,
    latest_moment: '2026-11-28T20:00:00.000Z',
    next_try: { try_count: 2 },
    parts: [{ part_name: 'a' }],
    rights: { 'in.c_under_scores': 'read' },
  })
  expect(wireOf(thing)({ ...view, latestMoment: 'unknown' })).toMatchObject({ latest_moment: 'unknown' })
})

test('what comes in has the code’s names and dates, and what is keyed by people’s names keeps them', () => {
  const body = object({
    made_before: instantGiven.or(z.literal('unknown')).optional(),
    max_seconds: z.int().nullable().optional(),
    rights: object({ all_files: z.boolean().default(false), of_buckets: z.record(z.string(), z.string()) }).default({
      all_files: false,
      of_buckets: {},
    }),
  })
  const read = (value: unknown) => namedBy(body)(body.parse(value))
  expect(read({ made_before: at.toISOString(), rights: { of_buckets: { 'in.c_x': 'read' } } })).toEqual({
    madeBefore: at,
    rights: { allFiles: false, ofBuckets: { 'in.c_x': 'read' } },
  })
  expect(read({ made_before: 'unknown', max_seconds: null })).toMatchObject({ madeBefore: 'unknown', maxSeconds: null })
  // What was not given is not there: a change of nothing differs from a change to nothing.
  expect(Object.keys(read({}) as object)).toEqual(['rights'])
  expectTypeOf<Named<z.output<typeof body>>['madeBefore']>().toEqualTypeOf<Date | 'unknown' | undefined>()
  expectTypeOf<Named<z.output<typeof body>>['rights']['allFiles']>().toEqualTypeOf<boolean>()
})

test('what no schema names is left out, at every depth', () => {
  const told = {
    ...view,
    secret: 'leak',
    nextTry: { tryCount: 2, secret: 'leak' },
    parts: [{ partName: 'a', secret: 'leak' }],
  }
  expect(JSON.stringify(wireOf(thing)(told))).not.toContain('leak')
})

test('a view that lacks a field, or has another type of it, does not compile', () => {
  expectTypeOf<View<typeof thing>['latestMoment']>().toEqualTypeOf<Date | 'unknown' | null>()
  expectTypeOf<Omit<View<typeof thing>, 'ownerId'>>().not.toExtend<View<typeof thing>>()
  expectTypeOf<Omit<View<typeof thing>, 'madeAt'> & { madeAt: string }>().not.toExtend<View<typeof thing>>()
})

test('an operation that names neither its event nor that it has none does not compile, and none names an unknown one', () => {
  const declared = { id: 'x', method: 'GET', path: '/api/v1/x', summary: '', permission: 'session' } as const
  const rest = { scope: 'tenant:read', answer: { status: 204 } } as const
  expectTypeOf<typeof declared & typeof rest>().not.toExtend<Operation>()
  expectTypeOf<typeof declared & typeof rest & { audit: 'none' }>().toExtend<Operation>()
  expectTypeOf<typeof declared & typeof rest & { audit: 'made.up' }>().not.toExtend<Operation>()
  expectTypeOf<typeof declared & Omit<typeof rest, 'scope'> & { audit: 'none' }>().not.toExtend<Operation>()
  const open = { ...declared, ...rest, audit: 'none' } as const
  expect(() => operation({ ...open, permission: 'public' })).toThrow()
  expect(() => operation({ ...open, scope: 'none' })).toThrow()
})

test('an event that the catalogue does not know, or details that do not fit, do not compile', () => {
  const target = { kind: 'token', id: 'tok_1' } as const
  const issued = {
    action: 'token.issued',
    outcome: 'ok',
    target,
    details: { strategy: 'mint', fingerprint: 'f' },
  } as const
  expectTypeOf(issued).toExtend<AuditEvent>()
  expectTypeOf<Omit<typeof issued, 'action'> & { action: 'token.made' }>().not.toExtend<AuditEvent>()
  expectTypeOf<Omit<typeof issued, 'details'> & { details: { strategy: 'mint' } }>().not.toExtend<AuditEvent>()
  expectTypeOf<Omit<typeof issued, 'target'> & { target: { kind: 'tokin'; id: string } }>().not.toExtend<AuditEvent>()
  expectTypeOf<Omit<typeof issued, 'target'>>().not.toExtend<AuditEvent>()
})

test('whatever outlives the credential that makes it, or belongs to a session, is for browsers alone', () => {
  const forBrowsers = operations.filter(({ scope }) => scope === 'cookie only').map(({ id }) => id)
  expect(forBrowsers.sort()).toEqual([
    'acceptInvitation',
    'addAudience',
    'adoptLink',
    'approveAuthorization',
    'cancelLink',
    'changeAudience',
    'changeClient',
    'changeMember',
    'changePastedToken',
    'changePolicy',
    'changeProvider',
    'changeTrustedClient',
    'changeTrustedIssuer',
    'changeWebhook',
    'checkProvider',
    'chooseProjects',
    'claimAuthorization',
    'createClient',
    'createInvitation',
    'createProvider',
    'createTenant',
    'createWebhook',
    'declineLinkRequest',
    'deleteInvitation',
    'deleteWebhook',
    'denyAuthorization',
    'endClientSecret',
    'endUpstreamSession',
    'leaveProject',
    'listAttempts',
    'makeClientSecret',
    'pasteToken',
    'previewProvider',
    'probeProvider',
    'readAttempt',
    'readAuthorization',
    'readProjectChoices',
    'readUpstreamSessions',
    'releaseAuthorization',
    'removeAudience',
    'removeClient',
    'removeProvider',
    'removeTrustedClient',
    'removeTrustedIssuer',
    'resumeLink',
    'retryDelivery',
    'rotateToken',
    'rotateWebhookSecret',
    'startLink',
    'startLinkRequest',
    'testWebhook',
    'trustClient',
    'trustIssuer',
  ])
})
