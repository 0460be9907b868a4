import { defineConfig } from 'prisma/config'

// Stops `prisma generate` from looking for an engine to download: the schema engine runs as WebAssembly here.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= 'package.json'

export default defineConfig({ schema: 'prisma/schema.prisma', migrations: { path: 'prisma/migrations' } })
