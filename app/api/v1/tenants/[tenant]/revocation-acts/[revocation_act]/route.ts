import { readAct } from '@/lib/broker/read/act.ts'
import { api } from '@/lib/http/api.ts'
import { readRevocationAct } from '@/lib/http/wire/revocations.ts'

export const GET = api(readRevocationAct, ({ ctx, actor, params }) => readAct(ctx, actor, params.revocation_act))
