import { Fragment } from 'react'
import type { StrategyOffer } from '@/lib/providers/kind.ts'

/** Each way to make a token, and why it is (not) to be had. */
export function OfferReasons({ offers }: { offers: StrategyOffer[] }) {
  return (
    <dl className="grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 text-[14px] text-muted leading-5">
      {offers.map(({ strategy, reason }) => (
        <Fragment key={strategy}>
          <dt className="font-mono text-[13px]">{strategy}</dt>
          <dd>{reason}</dd>
        </Fragment>
      ))}
    </dl>
  )
}
