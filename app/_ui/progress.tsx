type Props = { label: string; value: number; max: number }

/** How much of something is done, as a bar and in numbers. */
export function Progress({ label, value, max }: Props) {
  const all = Math.max(max, 1)
  const done = max === 0 ? 1 : Math.min(value, max)
  return (
    <div className="flex flex-wrap items-center gap-3">
      <progress
        aria-label={label}
        value={done}
        max={all}
        className="h-2 min-w-40 flex-1 appearance-none overflow-hidden rounded-lg bg-raised [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-raised [&::-webkit-progress-value]:bg-accent"
      />
      <span className="text-[14px] tabular-nums">
        {value.toLocaleString('en')} of {max.toLocaleString('en')}
      </span>
    </div>
  )
}
