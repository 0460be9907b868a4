import { readGrant } from '@/lib/broker/read/grants.ts'
import { api } from '@/lib/http/api.ts'
import { readGrant as readGrantOperation } from '@/lib/http/wire/grants.ts'

export const GET = api(readGrantOperation, ({ ctx, actor, params }) => readGrant(ctx, actor, params.grant))
