import type { RightLine } from '@/lib/providers/kind.ts'

/** One right, with its risk where there is one to speak of. */
export function Right({ line: { text, risk } }: { line: RightLine }) {
  return (
    <>
      <span className="wrap-anywhere font-mono text-[13px]">{text}</span>
      {risk !== 'low' && (
        <span className={`whitespace-nowrap text-[13px] ${risk === 'high' ? 'text-attention' : 'text-muted'}`}>
          {' '}
          · {risk} risk
        </span>
      )}
    </>
  )
}
