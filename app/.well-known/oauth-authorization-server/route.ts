import { metadataEndpoint } from '@/lib/http/authserver.ts'

export const GET = metadataEndpoint()
