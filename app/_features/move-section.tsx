import { MoveConnection } from '@/app/_features/shared-connection.tsx'
import { Section } from '@/app/_ui/section.tsx'
import type { ConnectionView } from '@/lib/broker/read/connection.ts'

type Props = Pick<ConnectionView, 'movesTo'> & { tenant: string; providerId: string; connectionId: string }

/** Other ways to link that the provider offers by now, each with what moving there does. */
export function MoveSection({ movesTo, ...of }: Props) {
  return movesTo.map((flow) => (
    <Section
      key={flow.name}
      title="Another way to sign in"
      lead={`The provider offers “${flow.title}” as well. You sign in there once more; projects, aliases, tokens and history stay.`}
    >
      <MoveConnection {...of} flow={flow} />
    </Section>
  ))
}
