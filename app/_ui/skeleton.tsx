import { cn } from './cn.ts'

/** A grey bar of the size of what will stand there. */
export function SkeletonLine({ className }: { className?: string }) {
  return <div aria-hidden className={cn('h-4 animate-pulse rounded-lg bg-raised', className)} />
}

const upTo = (count: number) => Array.from({ length: count }, (_, index) => index)

/** A table that is loading: same header and row heights as DataTable. */
export function SkeletonTable({ rows = 5, label = 'Loading the list' }: { rows?: number; label?: string }) {
  return (
    <div role="status" aria-label={label} className="divide-y rounded-lg border bg-surface">
      {upTo(rows + 1).map((row) => (
        <div key={row} className="flex h-10 items-center gap-4 px-4">
          <SkeletonLine className="w-1/4" />
          <SkeletonLine className="w-1/6" />
          <SkeletonLine className="ml-auto w-1/5" />
        </div>
      ))}
    </div>
  )
}

/** Cards that are loading. */
export function SkeletonCards({ count = 3, label = 'Loading the cards' }: { count?: number; label?: string }) {
  return (
    <div
      role="status"
      aria-label={label}
      className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,320px),1fr))] gap-4"
    >
      {upTo(count).map((card) => (
        <div key={card} className="flex h-44 flex-col gap-3 rounded-lg border bg-surface p-4">
          <SkeletonLine className="h-6 w-1/2" />
          <SkeletonLine className="w-3/4" />
          <SkeletonLine className="w-2/3" />
          <SkeletonLine className="mt-auto h-8 w-28" />
        </div>
      ))}
    </div>
  )
}
