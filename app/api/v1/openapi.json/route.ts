import { api } from '@/lib/http/api.ts'
import { openApiDocument } from '@/lib/http/openapi.ts'
import { readOpenApi } from '@/lib/http/wire/instance.ts'
import { operations } from '@/lib/http/wire.ts'

/** Made once: anybody may ask for it, and it follows from the program alone. */
let document: ReturnType<typeof openApiDocument> | undefined

export const GET = api(readOpenApi, async ({ ctx }) => {
  document ??= openApiDocument(operations, ctx.config.origin)
  return document
})
