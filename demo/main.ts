import { z } from 'zod'
import { startDemo } from './index.ts'

const Client = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'is not JSON' })
      return z.NEVER
    }
  })
  .pipe(z.strictObject({ id: z.string().min(1), secret: z.string().min(1), redirectUris: z.array(z.url()).min(1) }))

const Environment = z.object({
  DEMO_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  DEMO_SIGNIN_CLIENT: Client,
  DEMO_STACK_CLIENT: Client,
  DEMO_TICKETS_CLIENT: Client,
  DEMO_NOTES_CLIENT: Client.optional(),
  DEMO_CONTROL_SECRET: z.string().min(16).optional(),
  DEMO_DATA_FILE: z.string().min(1).optional(),
  DEMO_APP_URL: z.url().optional(),
})

/** Process entry: says `demo ready {url}` when listening, ends with its parent. */
async function main(): Promise<void> {
  const env = Environment.safeParse(process.env)
  if (!env.success) {
    const problems = env.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`)
    console.error(`demo: ${problems.join('; ')}`)
    process.exit(1)
  }
  const demo = await startDemo({
    port: env.data.DEMO_PORT,
    signinClient: env.data.DEMO_SIGNIN_CLIENT,
    stackClient: env.data.DEMO_STACK_CLIENT,
    ticketsClient: env.data.DEMO_TICKETS_CLIENT,
    notesClient: env.data.DEMO_NOTES_CLIENT,
    controlSecret: env.data.DEMO_CONTROL_SECRET,
    dataFile: env.data.DEMO_DATA_FILE,
    appUrl: env.data.DEMO_APP_URL,
    endSession: true,
  })
  if (demo.warning) console.error(demo.warning)
  const stop = () => void demo.close().then(() => process.exit(0))
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.once(signal, stop)
  console.log(`demo ready ${demo.url}`)
}

main().catch((error: NodeJS.ErrnoException) => {
  console.error(error.code === 'EADDRINUSE' ? 'demo: the port is in use' : `demo: ${error.message}`)
  process.exit(1)
})
