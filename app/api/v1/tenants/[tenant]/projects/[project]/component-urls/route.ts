import { type ComponentUrl, makeComponentUrl } from '@/lib/broker/component-url.ts'
import { api } from '@/lib/http/api.ts'
import { makeComponentUrl as makeComponentUrlOperation } from '@/lib/http/wire/component-urls.ts'

export const POST = api(
  makeComponentUrlOperation,
  async ({ ctx, actor, params, body: { expiresIn, ...body }, once }) => {
    const told = ({ token, url }: ComponentUrl) => ({
      token,
      url,
      expiresIn: Math.max(0, Math.round((token.expiresAt.getTime() - ctx.now().getTime()) / 1000)),
    })
    const input = { ...body, project: params.project, lifetimeSeconds: expiresIn, once: once(told) }
    return told(await makeComponentUrl(ctx, actor, input))
  },
)
