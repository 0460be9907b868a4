import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

/** @type {import('next').NextConfig} */
export default {
  poweredByHeader: false,
  reactStrictMode: true,
  // Types are a stage of their own in npm test; a newcomer's first start need not wait for them.
  typescript: { ignoreBuildErrors: true },
  productionBrowserSourceMaps: false,
  typedRoutes: false,
  images: { unoptimized: true },
  // Without it a lockfile in a parent folder would move the root.
  turbopack: { root: dirname(fileURLToPath(import.meta.url)) },
  serverExternalPackages: [
    'undici',
    'pg',
    'pino',
    'prom-client',
    '@opentelemetry/api',
    '@prisma/client',
    '@prisma/adapter-pg',
  ],
  experimental: {
    optimizePackageImports: ['radix-ui'],
    // Pages are loaded when somebody asks for one: a process that only serves programs never holds them.
    preloadEntriesOnStart: false,
  },
}
