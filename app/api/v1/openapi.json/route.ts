import { api } from '@/lib/http/api.ts'
import { openApiDocument } from '@/lib/http/openapi.ts'
import { readOpenApi } from '@/lib/http/operations/instance.ts'
import { operations } from '@/lib/http/operations.ts'

export const GET = api(readOpenApi, async ({ ctx }) => openApiDocument(operations, ctx.config.origin))
