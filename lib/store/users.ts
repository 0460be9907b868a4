import { newId } from '../security/ids.ts'
import type { Tx } from './database.ts'

export type Identity = { issuer: string; subject: string; name: string; email: string | null }

/** The person with this identity, made at first sight. Name and e-mail follow what the issuer says; neither identifies. */
export const ensureUser = (tx: Tx, { issuer, subject, name, email }: Identity, now: Date) =>
  tx.user.upsert({
    where: { issuer_subject: { issuer, subject } },
    create: { id: newId('user'), issuer, subject, name, email, createdAt: now },
    update: { name, email },
  })
