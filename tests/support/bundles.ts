import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import nextConfig from '../../next.config.mjs'

const root = resolve(import.meta.dirname, '../..')
const entry = `
export { createEdge } from './lib/http/listener.ts'
export { declared, machineRoutes } from './app/api/machine.ts'
export { POST as report } from './app/api/v1/csp-reports/route.ts'
export { POST as createTenant } from './app/api/v1/tenants/route.ts'
export { POST as renew } from './app/api/v1/tenants/[tenant]/connections/[connection]/renewal/route.ts'
`
type Bundle = typeof import('../../lib/http/listener.ts') &
  typeof import('../../app/api/machine.ts') & {
    report: typeof import('../../app/api/v1/csp-reports/route.ts').POST
    createTenant: typeof import('../../app/api/v1/tenants/route.ts').POST
    renew: typeof import('../../app/api/v1/tenants/[tenant]/connections/[connection]/renewal/route.ts').POST
  }

/**
 * The edges as one process of the product holds them, twice: in the server's bundle, which leaves packages to Node, and
 * as Next bundles them, with copies of its own of all that next.config.mjs does not leave out.
 */
export async function loadBundles(): Promise<{ server: Bundle; next: Bundle; discard: () => Promise<void> }> {
  // Below the root, so that Node finds the packages that were left out.
  await mkdir(resolve(root, 'dist'), { recursive: true })
  const folder = await mkdtemp(resolve(root, 'dist/bundles-'))
  const load = async (name: string, packages: { packages: 'external' } | { external: string[] }): Promise<Bundle> => {
    const outfile = resolve(folder, `${name}.mjs`)
    await build({
      stdin: { contents: entry, resolveDir: root, loader: 'ts' },
      absWorkingDir: root,
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'esm',
      logLevel: 'silent',
      // What is bundled asks for Node's own modules by require.
      banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
      ...packages,
    })
    return import(pathToFileURL(outfile).href)
  }
  return {
    server: await load('server', { packages: 'external' }),
    next: await load('next', { external: nextConfig.serverExternalPackages ?? [] }),
    discard: () => rm(folder, { recursive: true, force: true }),
  }
}
