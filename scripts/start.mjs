// npm start, npm run dev: from a fresh clone to a running product. Node built-ins only, until the packages are there.
import { join } from 'node:path'
import { Failure, report } from './lib/fail.mjs'
import { buildApp, bundleDemo, bundleServer, checkNode, generateClient, installPackages } from './lib/prepare.mjs'
import { freePort, portProblem, stopOnSignals, stopTools, stopWithParent } from './lib/processes.mjs'
import { step } from './lib/progress.mjs'

const SIGNIN = ['VALETKEY_SIGNIN_ISSUER', 'VALETKEY_SIGNIN_CLIENT_ID', 'VALETKEY_SIGNIN_CLIENT_SECRET']
const OWN_DATABASE = ['DATABASE_MIGRATE_URL', 'VALETKEY_URL', 'VALETKEY_KEYS', 'VALETKEY_SECRET', ...SIGNIN]
const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/**
 * What the environment asks for, or one sentence about all that is missing.
 * @returns {{ port: number, url: string, embedded: boolean, demo: boolean }}
 */
function readSettings(env) {
  const port = Number(env.PORT || 3000)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Failure(`PORT is "${env.PORT}": use 1 to 65535.`)
  const embedded = !env.DATABASE_URL
  const demo = embedded && env.VALETKEY_DEMO !== '0'
  const missing = (embedded ? (demo ? [] : SIGNIN) : OWN_DATABASE).filter((name) => !env[name])
  if (missing.length > 0) {
    const why = embedded ? 'Without the demo (VALETKEY_DEMO=0)' : 'With a database of your own (DATABASE_URL)'
    throw new Failure(`${why} these settings are missing: ${missing.join(', ')}. Set them and start again.`)
  }
  const url = env.VALETKEY_URL || `http://localhost:${port}`
  if (!URL.canParse(url))
    throw new Failure(`VALETKEY_URL is "${url}": give a full address such as https://keys.acme.test`)
  if (demo && !LOOPBACK.includes(new URL(url).hostname))
    throw new Failure(
      'The demo only runs on this machine. Unset VALETKEY_URL, or set VALETKEY_DEMO=0 and a real sign-in.',
    )
  return { port, url: new URL(url).origin, embedded, demo }
}

async function checkPort(port) {
  const problem = await portProblem(port)
  if (problem === 'EACCES')
    throw new Failure(`Port ${port} is not allowed for this user. Choose another: PORT=3001 npm start`)
  if (problem)
    throw new Failure(`Port ${port} is in use. Stop the other program, or choose another: PORT=${port + 1} npm start`)
}

/** Starts the embedded Postgres, bootstrapped and migrated. Answers what the server has to know. */
async function startDatabase(services, dir, instance) {
  const { ensureCluster, startCluster } = await import('./lib/postgres.mjs')
  const { bootstrapDatabase, urlFor } = await import('./lib/database.mjs')
  const { applyMigrations } = await import('./migrate.mjs')
  const { adminPassword, ownerPassword, appPassword } = instance.postgres
  const home = { dir: join(dir, 'postgres'), password: adminPassword, logFile: join(dir, 'postgres.log') }
  const cluster = await step('Starting Postgres', async () => {
    await ensureCluster(home)
    instance.postgres.port = await freePort(instance.postgres.port)
    await instance.save()
    const onSpawn = (child, stop) => services.add('Postgres', child, stop, home.logFile)
    return startCluster({ ...home, port: instance.postgres.port, onSpawn })
  })
  const database = 'valetkey'
  await step('Applying migrations', async () => {
    await bootstrapDatabase(cluster, { database, ownerPassword, appPassword })
    await applyMigrations(urlFor(cluster, 'valetkey_owner', ownerPassword, database))
  })
  return {
    DATABASE_URL: urlFor(cluster, 'valetkey_app', appPassword, database),
    VALETKEY_KEYS: instance.keys,
    VALETKEY_SECRET: instance.secret,
    VALETKEY_EMBEDDED: '1',
  }
}

/** Starts the demo upstream. Answers how the server signs people in, and reaches the stack, the ticket service and the notes. */
async function startDemo(services, dir, instance, { url, port }) {
  await bundleDemo()
  const { signinClient, stackClient, ticketsClient, notesClient, controlSecret } = instance.demo
  instance.demo.port = await freePort(instance.demo.port ?? port + 1)
  await instance.save()
  const client = (known, path) => JSON.stringify({ ...known, redirectUris: [`${url}${path}`] })
  const [, demoUrl] = await step('Starting the demo upstream', () =>
    services.start({
      name: 'The demo upstream',
      script: 'dist/demo.mjs',
      logFile: join(dir, 'demo.log'),
      ready: /^demo ready (\S+)/m,
      env: {
        DEMO_PORT: String(instance.demo.port),
        DEMO_SIGNIN_CLIENT: client(signinClient, '/api/auth/callback/signin'),
        DEMO_STACK_CLIENT: client(stackClient, '/oauth/callback/keboola-demo'),
        DEMO_TICKETS_CLIENT: client(ticketsClient, '/oauth/callback/tickets-demo'),
        DEMO_NOTES_CLIENT: client(notesClient, '/oauth/callback/notes-demo'),
        DEMO_CONTROL_SECRET: process.env.DEMO_CONTROL_SECRET || controlSecret,
        DEMO_DATA_FILE: join(dir, 'demo.json'),
        DEMO_APP_URL: url,
      },
    }),
  )
  return {
    // The demo is four servers in one: identity provider below /idp, ticket service below /tickets, notes with an MCP server below
    // /notes, project stack at the root.
    VALETKEY_SIGNIN_ISSUER: `${demoUrl}/idp`,
    VALETKEY_SIGNIN_CLIENT_ID: signinClient.id,
    VALETKEY_SIGNIN_CLIENT_SECRET: signinClient.secret,
    VALETKEY_DEMO: '1',
    VALETKEY_DEMO_STACK: JSON.stringify({ url: demoUrl, clientId: stackClient.id, clientSecret: stackClient.secret }),
    VALETKEY_DEMO_TICKETS: JSON.stringify({
      issuer: `${demoUrl}/tickets`,
      clientId: ticketsClient.id,
      clientSecret: ticketsClient.secret,
    }),
    VALETKEY_DEMO_NOTES: JSON.stringify({
      issuer: `${demoUrl}/notes`,
      url: `${demoUrl}/notes/mcp`,
      clientId: notesClient.id,
      clientSecret: notesClient.secret,
    }),
  }
}

async function main(isDev) {
  checkNode()
  const settings = readSettings(process.env)
  const { port, url, embedded, demo } = settings
  const cleanUp = [stopTools]
  let ending
  /** Stops everything once, whatever the number of reasons. */
  const end = (error) => {
    ending ??= cleanUp.reduce((done, one) => done.then(one), Promise.resolve()).then(() => error && report(error))
    return ending
  }
  const fail = (error) => ending ?? end(error).then(() => process.exit(1))
  const stop = stopOnSignals(() => {
    console.log('\n  Stopping …')
    return end()
  })
  // npm hands signals to a shell, and a shell that does not become us ends without a word.
  if (process.env.npm_lifecycle_event) stopWithParent(stop)

  try {
    await installPackages()
    const { createServices } = await import('./lib/services.mjs')
    const { lockDataDir, openDataDir, openInstance } = await import('./lib/instance.mjs')
    const dir = embedded ? await openDataDir(process.env) : undefined
    const lock = dir ? await lockDataDir(dir) : { remember: async () => {}, release: async () => {} }
    const services = createServices(lock.remember, fail)
    cleanUp.push(services.stop, lock.release)
    await checkPort(port)
    await generateClient()
    const env = { PORT: String(port), VALETKEY_URL: url, NODE_ENV: isDev ? 'development' : 'production' }
    if (dir) {
      // Nothing balances load on one machine, so nobody has to find out.
      env.VALETKEY_DRAIN_SECONDS = process.env.VALETKEY_DRAIN_SECONDS || '0'
      const instance = await openInstance(dir)
      Object.assign(env, await startDatabase(services, dir, instance))
      if (demo) Object.assign(env, await startDemo(services, dir, instance, settings))
    } else {
      const { applyMigrations } = await import('./migrate.mjs')
      await step('Applying migrations', () => applyMigrations(process.env.DATABASE_MIGRATE_URL))
    }
    await bundleServer()
    if (!isDev) await buildApp()
    // A newcomer sees where to go; whoever runs it for real, or works on it, sees the log.
    const logFile = dir && !isDev ? join(dir, 'server.log') : undefined
    await step('Starting the server', () =>
      services.start({
        name: 'The server',
        script: 'dist/server.mjs',
        env,
        logFile,
      }),
    )
    console.log(welcome({ url, demo, logFile }))
  } catch (error) {
    await fail(error)
  }
}

function welcome({ url, demo, logFile }) {
  const accounts = `
  Demo accounts (pick one on the sign-in page, there are no passwords):
    owner@acme.test     owner of acme
    member@acme.test    member of acme
    owner@globex.test   owner of globex
`
  return `
  Valetkey is ready: ${url}
${demo ? accounts : ''}
${logFile ? `  Log: ${logFile}\n` : ''}  Stop: Ctrl-C
`
}

main(process.argv.includes('--dev')).catch((error) => {
  report(error)
  process.exit(1)
})
