import { CopyButton } from './copy-button.tsx'

type Props = { text: string; label: string; note?: string | null }

/** An address that is needed elsewhere, the button that copies it beside its first line, and what it is for below. */
export function Copied({ text, label, note }: Props) {
  return (
    <span className="flex min-w-0 flex-col">
      <span className="flex min-w-0 items-start gap-1">
        <code className="wrap-anywhere min-w-0 font-mono text-[13px]">{text}</code>
        <span className="-my-1.5 shrink-0">
          <CopyButton compact text={text} label={label} />
        </span>
      </span>
      {note && <span className="text-muted">{note}</span>}
    </span>
  )
}
