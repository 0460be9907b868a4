import { resourceMetadataEndpoint } from '@/lib/http/authserver.ts'

export const GET = resourceMetadataEndpoint()
