import { CopyButton } from './copy-button.tsx'

/** A command to copy into a terminal. */
export function CommandLine({ command }: { command: string }) {
  return (
    <span className="flex min-w-0 max-w-full items-center gap-1">
      <code className="wrap-anywhere min-w-0 rounded-lg bg-raised px-3 py-2 text-left font-mono text-[13px] text-ink leading-5">
        {command}
      </code>
      <CopyButton compact text={command} label="Copy the command" />
    </span>
  )
}
