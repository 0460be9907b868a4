'use client'
import { Search } from 'lucide-react'
import { type KeyboardEvent, useRef, useState } from 'react'
import { plural } from '@/app/_features/words.ts'
import { Button } from '@/app/_ui/button.tsx'
import { EmptyState } from '@/app/_ui/empty-state.tsx'

/** Something to choose: a preset, or a way to name another server. */
export type Tile = {
  id: string
  title: string
  monogram: string
  /** What it can do, or what is asked. */
  text: string
  /** What is to be known before it is trusted. */
  note: string | null
  keywords: string[]
}
/** `always`: offered also where nothing else fits. */
export type TileGroup = { label: string; tiles: Tile[]; always?: boolean }

type Props = { groups: TileGroup[]; onChoose: (id: string) => void }

/** A gallery to search: typing filters, arrows or Tab move, Enter chooses. */
export function Gallery({ groups, onChoose }: Props) {
  const [needle, setNeedle] = useState('')
  const root = useRef<HTMLDivElement>(null)
  const words = needle.toLowerCase().split(/\s+/).filter(Boolean)
  const fits = ({ title, keywords }: Tile) => {
    const text = [title, ...keywords].join(' ').toLowerCase()
    return words.every((word) => text.includes(word))
  }
  const shown = groups
    .map((group) => ({ ...group, tiles: group.tiles.filter(fits) }))
    .filter(({ tiles }) => tiles.length > 0)
  const found = shown.flatMap(({ tiles }) => tiles)
  const offered = found.length > 0 ? shown : groups.filter(({ always }) => always)

  function onKeyDown(event: KeyboardEvent) {
    if (event.ctrlKey || event.metaKey || event.altKey) return
    const search = root.current?.querySelector('input')
    const tiles = [...(root.current?.querySelectorAll<HTMLElement>('[data-tile]') ?? [])]
    const at = tiles.indexOf(document.activeElement as HTMLElement)
    const to = (element: HTMLElement | null | undefined) => {
      event.preventDefault()
      element?.focus()
    }
    if (at === -1) {
      if (event.key === 'ArrowDown') to(tiles[0])
      if (event.key === 'Enter' && words.length > 0) to(tiles[0])
      return
    }
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: rowStep(tiles, at, 1), ArrowUp: rowStep(tiles, at, -1) }[
      event.key
    ]
    if (step !== undefined) return to(tiles[at + step] ?? (step < 0 ? search : tiles.at(-1)))
    if (event.key === 'Home') return to(tiles[0])
    if (event.key === 'End') return to(tiles.at(-1))
    // Typing goes on filtering, wherever the focus is.
    if (event.key === 'Backspace' || (event.key.length === 1 && event.key !== ' ')) search?.focus()
  }

  return (
    <search ref={root} className="flex flex-col gap-4" onKeyDown={onKeyDown}>
      <div className="flex flex-wrap items-center gap-3">
        <span className="relative w-full sm:w-80">
          <Search aria-hidden className="pointer-events-none absolute top-3 left-3 size-4 text-muted" />
          <input
            type="search"
            aria-label="Search servers"
            placeholder="Search by name or use"
            value={needle}
            onChange={(event) => setNeedle(event.target.value)}
            data-shortcut="filter"
            autoComplete="off"
            spellCheck={false}
            className="h-10 w-full rounded-lg border border-edge bg-surface pr-3 pl-9 text-[16px] placeholder:text-muted"
          />
        </span>
        <p aria-live="polite" className="text-muted tabular-nums">
          {words.length > 0 ? `${plural(found.length, 'server')} found` : ''}
        </p>
      </div>
      {found.length === 0 && (
        <EmptyState
          kind="no-match"
          title={`Nothing is known by “${needle}”`}
          why="Any OpenID Connect or OAuth server can be added all the same, as one of those below."
          action={
            <Button
              onClick={() => {
                setNeedle('')
                root.current?.querySelector('input')?.focus()
              }}
            >
              Clear the search
            </Button>
          }
        />
      )}
      {offered.map(({ label, tiles }) => (
        <section key={label} aria-label={label} className="flex flex-col gap-2">
          <h3 className="text-[13px] text-muted">{label}</h3>
          <ul className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,300px),1fr))] gap-2">
            {tiles.map((tile) => (
              <li key={tile.id} className="flex">
                <TileButton tile={tile} onChoose={() => onChoose(tile.id)} />
              </li>
            ))}
          </ul>
        </section>
      ))}
    </search>
  )
}

/** How many tiles on the one above or below is: tiles of a row stand at one height. */
function rowStep(tiles: HTMLElement[], at: number, direction: 1 | -1): number {
  const box = (tile: HTMLElement | undefined) => tile?.getBoundingClientRect() ?? new DOMRect()
  const here = box(tiles[at])
  for (let next = at + direction; next >= 0 && next < tiles.length; next += direction) {
    const there = box(tiles[next])
    if (Math.abs(there.top - here.top) > 4 && Math.abs(there.left - here.left) < 4) return next - at
  }
  return direction === 1 ? tiles.length : -tiles.length
}

export function Mark({ text }: { text: string }) {
  return (
    <span
      aria-hidden
      className="inline-flex size-10 shrink-0 items-center justify-center rounded-lg bg-raised font-semibold text-[15px]"
    >
      {text}
    </span>
  )
}

function TileButton({ tile: { title, monogram, text, note }, onChoose }: { tile: Tile; onChoose: () => void }) {
  return (
    <button
      type="button"
      data-tile
      onClick={onChoose}
      className="flex w-full min-w-0 items-start gap-3 rounded-lg border bg-surface p-3 text-left hover:bg-raised"
    >
      <Mark text={monogram} />
      <span className="flex min-w-0 flex-col">
        <span className="wrap-anywhere font-semibold">{title}</span>
        <span className="text-[13px] leading-[18px]">{text}</span>
        {note && <span className="text-[13px] text-muted leading-[18px]">{note}</span>}
      </span>
    </button>
  )
}
