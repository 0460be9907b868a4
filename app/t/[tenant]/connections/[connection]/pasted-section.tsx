import { Relink } from '@/app/_features/link.tsx'
import { type PasteChoice, PasteToken, RotateNow, RotationSchedule, Warn } from '@/app/_features/pasted.tsx'
import { Right } from '@/app/_features/rights.tsx'
import { KeyValue } from '@/app/_ui/key-value.tsx'
import { Section } from '@/app/_ui/section.tsx'
import { Time } from '@/app/_ui/time.tsx'
import type { ConnectionDetail, PastedView } from '@/lib/broker/read/connection.ts'

type Props = {
  tenant: string
  connection: ConnectionDetail
  pasted: PastedView
  now: string
  /** Its owner, who may work here. */
  mine: boolean
  /** Where another token for it may be pasted; null: an admin has switched that off. */
  paste: PasteChoice | null
}

/** The token that a connection stands on: whose it is, what it may, how long; and what its owner can do about it. */
export function PastedSection({ tenant, connection, pasted, now, mine, paste }: Props) {
  const { id, provider, status, grantExpiresAt } = connection
  const isUsable = status === 'linked' || status === 'degraded' || status === 'uncertain'
  const at = (date: Date | null, otherwise: string) => (date ? <Time at={date.toISOString()} now={now} /> : otherwise)
  return (
    <Section
      title={`Pasted ${pasted.title}`}
      lead="It was made at the upstream. Disconnecting destroys the copy that is kept here; the token itself goes on there until somebody deletes it."
    >
      <div className="grid items-start gap-4 rounded-lg border bg-surface p-4 md:grid-cols-2 md:gap-8">
        <KeyValue
          items={[
            {
              label: 'Token',
              value: pasted.description ? `${pasted.description} (${pasted.tokenId})` : pasted.tokenId,
            },
            { label: 'Owner there', value: pasted.owner ?? 'not reported' },
            { label: 'Master token', value: pasted.isMaster ? 'yes' : 'no' },
            {
              label: 'It may',
              value: (
                <ul>
                  {pasted.rights.map((line) => (
                    <li key={line.text}>
                      <Right line={line} />
                    </li>
                  ))}
                  {pasted.rights.length === 0 && <li>nothing but ask about itself</li>}
                </ul>
              ),
            },
            { label: 'Ends', value: at(grantExpiresAt, 'never, as far as the upstream says') },
            { label: 'Last rotation', value: at(pasted.lastRotationAt, 'none here') },
            { label: 'Next rotation', value: at(pasted.nextRotationAt, 'when somebody asks') },
          ]}
        />
        {mine && (
          <div className="flex min-w-0 flex-col gap-4">
            {isUsable && (
              <RotationSchedule key={pasted.rotateDays} tenant={tenant} connection={id} days={pasted.rotateDays} />
            )}
            <div className="flex flex-wrap gap-2">
              {isUsable && <RotateNow tenant={tenant} connection={id} title={pasted.title} />}
              {paste && status !== 'revoked' && (
                <PasteToken tenant={tenant} providers={[paste]} connection={id} label="Paste another…" size="sm" />
              )}
              <Relink
                tenant={tenant}
                providerId={provider.id}
                connectionId={id}
                label="Link with your account"
                variant="secondary"
                size="sm"
              />
              {pasted.lacks && pasted.warningOff && <Warn tenant={tenant} connection={id} warn label="Warn me again" />}
            </div>
            <p className="text-muted">
              Linking with your account takes the token’s place. The alias, the history and the settings stay, and the
              copy of the token is destroyed.
            </p>
          </div>
        )}
      </div>
    </Section>
  )
}
