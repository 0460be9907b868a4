import { newId } from '../security/ids.ts'
import type { Tx } from './database.ts'

/** Appends an unsealed event. Raw, because the app role may insert these columns only: seq and hash are the sealer's. */
export async function insertEvent(tx: Tx, tenantId: string, at: Date, body: object): Promise<void> {
  await tx.$executeRaw`INSERT INTO audit_event (tenant_id, id, at, body)
    VALUES (${tenantId}, ${newId('event')}, ${at}, ${JSON.stringify(body)}::jsonb)`
}
