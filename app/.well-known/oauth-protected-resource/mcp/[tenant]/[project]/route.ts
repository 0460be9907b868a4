import { gatewayMetadataEndpoint } from '@/lib/http/authserver.ts'

export const GET = gatewayMetadataEndpoint()
