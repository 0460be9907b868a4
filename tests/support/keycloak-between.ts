import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Agent, request as send } from 'undici'
import { inject } from 'vitest'
import { makeFaults } from '../../demo/faults.ts'

/**
 * Stands in front of the server of this run, by https, and passes everything on: it can hold a request before it is passed
 * on or before its answer is, drop it, and be away. A realm that names `origin` as its own is reached through it alone.
 */
export async function startBetween() {
  const { origin: behind, tls } = inject('keycloak')
  const [key, cert] = await Promise.all([readFile(tls.key), readFile(tls.cert)])
  const dispatcher = new Agent({ connect: { ca: cert } })
  const faults = makeFaults()
  const requests: { method: string; path: string; body: URLSearchParams }[] = []

  const listener: Parameters<typeof createServer>[1] = async (incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming
    const chunks: Buffer[] = []
    for await (const chunk of incoming) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const [path = ''] = url.split('?')
    const form = new URLSearchParams(method === 'POST' ? body.toString() : '')
    requests.push({ method, path, body: form })
    const fault = faults.take(method, path, Object.fromEntries(form))
    if (fault?.hold?.at === 'before') await faults.pass(fault.hold.barrier)
    if (fault?.reset === 'before') return outgoing.destroy()
    const { connection: _, 'transfer-encoding': __, 'content-length': ___, ...passed } = headers
    const answer = await send(`${behind}${url}`, {
      method: method as 'GET',
      headers: passed,
      dispatcher,
      ...(body.length > 0 && { body }),
    })
    const text = Buffer.from(await answer.body.arrayBuffer())
    if (fault?.hold?.at === 'after') await faults.pass(fault.hold.barrier)
    if (fault?.reset === 'after') return outgoing.destroy()
    const { connection: ____, 'transfer-encoding': _____, ...answered } = answer.headers
    outgoing.writeHead(answer.statusCode, { ...answered, 'content-length': text.length }).end(text)
  }

  let server: Server | undefined
  async function listen(wanted: number): Promise<number> {
    const made = createServer({ key, cert }, listener)
    server = made
    await new Promise<void>((resolve) => made.listen(wanted, '127.0.0.1', resolve))
    return (made.address() as AddressInfo).port
  }
  const close = () =>
    new Promise<void>((resolve) => {
      server?.close(() => resolve())
      server?.closeAllConnections()
    })
  const port = await listen(0)

  return {
    origin: `https://localhost:${port}`,
    faults,
    requests,
    /** Nothing listens there for as long as `work` takes. */
    async away<T>(work: () => Promise<T>): Promise<T> {
      await close()
      try {
        return await work()
      } finally {
        await listen(port)
      }
    },
    async stop() {
      faults.clear()
      await close()
      await dispatcher.close()
    },
  }
}

export type Between = Awaited<ReturnType<typeof startBetween>>
